#include "services/storage/record_versions.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/read_target.h"
#include "services/storage/record_history.h"
#include "services/storage/record_id.h"
#include "services/storage/record_reader.h"
#include "services/storage/request_fields.h"
#include "services/storage/stored_record.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// As of a page of records.
constexpr size_t kPageBytes = 1 << 20;

// How a record's fields are answered.
struct Form {
  std::vector<int> places;
  RecordReader::Body body = RecordReader::Body::kFields;
};

absl::Status EncodeBody(const Collection& collection, const Form& form,
                        const StoredRecord& stored, v1::Record* record) {
  if (form.body == RecordReader::Body::kTyped) {
    std::vector<ColumnValue> values;
    for (const int place : form.places) values.push_back(stored.values[place]);
    return schema::EncodeTyped(collection.spec, collection.typed, form.places,
                               values, record->mutable_typed());
  }
  auto& fields = *record->mutable_fields()->mutable_fields();
  for (const int place : form.places) {
    if (stored.values[place].index() == 0) continue;
    const schema::FieldSpec& field = collection.spec.fields[place];
    RETURN_IF_ERROR(
        EncodeField(field, stored.values[place], &fields[field.name]));
  }
  return absl::OkStatus();
}

absl::Status EncodeRecord(const Collection& collection, const Form& form,
                          const StoredRecord& stored, v1::Record* record) {
  record->set_id(stored.id);
  record->set_version(stored.version);
  *record->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(stored.created_us);
  *record->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(stored.updated_us);
  if (stored.expires_us.has_value()) {
    *record->mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(*stored.expires_us);
  }
  return WithContext(EncodeBody(collection, form, stored, record),
                     absl::StrCat("version ", stored.version));
}

void SetEnd(int64_t ended_us, VersionEnd end, v1::RecordVersion* version) {
  *version->mutable_end_time() = TimeUtil::MicrosecondsToTimestamp(ended_us);
  version->set_deleted(end == VersionEnd::kDelete);
}

std::string EncodeKey(VersionKey key) {
  return absl::StrCat(key.row, ".", key.version);
}

// Nothing for an empty token.
absl::StatusOr<std::optional<VersionKey>> DecodeKey(const std::string& text) {
  if (text.empty()) return std::nullopt;
  VersionKey key;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('.', 1));
  if (absl::SimpleAtoi(parts.first, &key.row) &&
      absl::SimpleAtoi(parts.second, &key.version)) {
    return key;
  }
  return InvalidField("page_token", "is not a token that this list returned");
}

absl::StatusOr<std::optional<StoredRecord>> ReadInTable(
    sqlite::Connection& connection, const Collection& collection,
    absl::string_view id) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(collection.select_by_id));
  select.BindText(1, id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return ReadStoredRecord(select);
}

// One page, from the newest version that is wanted on.
class VersionPage {
 public:
  VersionPage(const ReadTarget& target, Form form, int size,
              v1::ListVersionsResponse* response)
      : connection_(target.connection()),
        collection_(*target.collection),
        form_(std::move(form)),
        size_(size),
        response_(response) {}

  // Adds the record as its table has it.
  absl::Status AddPresent(const StoredRecord& record) {
    v1::RecordVersion* version = Next({record.row, record.version});
    if (record.deleted_us.has_value()) {
      SetEnd(*record.deleted_us, VersionEnd::kDelete, version);
    }
    return Encode(record, version);
  }

  // Adds those of the history, older than what was added or `before`; whether
  // there are more than fit.
  absl::StatusOr<bool> AddKept(absl::string_view id,
                               std::optional<VersionKey> before) {
    // One more tells whether there is a next page.
    ASSIGN_OR_RETURN(const std::vector<VersionKey> keys,
                     FindVersions(connection_, collection_, id,
                                  last_ ? last_ : before, size_ + 1));
    for (const VersionKey& key : keys) {
      if (response_->versions_size() == size_ || bytes_ >= kPageBytes) {
        return true;
      }
      ASSIGN_OR_RETURN(const KeptVersion kept,
                       ReadVersion(connection_, collection_, key));
      v1::RecordVersion* version = Next(key);
      SetEnd(kept.ended_us, kept.end, version);
      RETURN_IF_ERROR(Encode(kept.record, version));
    }
    return false;
  }

  // The last one added.
  const std::optional<VersionKey>& last() const { return last_; }

 private:
  v1::RecordVersion* Next(VersionKey key) {
    last_ = key;
    return response_->add_versions();
  }
  absl::Status Encode(const StoredRecord& record, v1::RecordVersion* version) {
    RETURN_IF_ERROR(
        EncodeRecord(collection_, form_, record, version->mutable_record()));
    bytes_ += version->ByteSizeLong();
    return absl::OkStatus();
  }

  sqlite::Connection& connection_;
  const Collection& collection_;
  const Form form_;
  const int size_;
  v1::ListVersionsResponse* const response_;
  std::optional<VersionKey> last_;
  size_t bytes_ = 0;
};

absl::Status NothingKept(const v1::ListVersionsRequest& request) {
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_RECORD_UNKNOWN,
      absl::StrCat("collection \"", request.collection(),
                   "\" keeps no version of a record \"", request.id(), "\""),
      {{"database", request.database()},
       {"collection", request.collection()},
       {"id", request.id()}});
}

absl::StatusOr<Form> DecodeForm(const Collection& collection,
                                const v1::ListVersionsRequest& request) {
  ASSIGN_OR_RETURN(std::vector<int> places,
                   DecodeReadMask(collection, request.read_mask()));
  return Form{.places = std::move(places),
              .body = request.typed() ? RecordReader::Body::kTyped
                                      : RecordReader::Body::kFields};
}

}  // namespace

absl::Status ListVersions(Database& database,
                          const v1::ListVersionsRequest& request,
                          v1::ListVersionsResponse* response) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  const Collection& collection = *target.collection;
  if (const auto problem = FindRecordIdProblem(request.id())) {
    return InvalidField("id", *problem);
  }
  ASSIGN_OR_RETURN(Form form, DecodeForm(collection, request));
  ASSIGN_OR_RETURN(const int size, DecodePageSize(request.page_size()));
  const std::string list = absl::StrCat("versions/", database.name(), "/",
                                        collection.name(), "/", request.id());
  ASSIGN_OR_RETURN(const std::string token,
                   DecodePageToken(list, request.page_token()));
  ASSIGN_OR_RETURN(const std::optional<VersionKey> before, DecodeKey(token));

  ASSIGN_OR_RETURN(const std::optional<StoredRecord> present,
                   ReadInTable(target.connection(), collection, request.id()));
  // Nobody sees it any more, and the sweep forgets its history with it.
  if (present.has_value() && present->HasExpiredAt(database.now_us())) {
    return NothingKept(request);
  }
  VersionPage page(target, std::move(form), size, response);
  if (present.has_value() &&
      (!before.has_value() ||
       VersionKey{present->row, present->version} < *before)) {
    RETURN_IF_ERROR(page.AddPresent(*present));
  }
  ASSIGN_OR_RETURN(const bool has_more, page.AddKept(request.id(), before));
  if (has_more) {
    response->set_next_page_token(
        EncodePageToken(list, EncodeKey(*page.last())));
  }
  if (response->versions().empty() && !before.has_value()) {
    return NothingKept(request);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
