#include "services/storage/record_batch.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/content_hash.h"
#include "services/storage/record_id.h"
#include "services/storage/request_log.h"

namespace engram::storage {
namespace {

// The request's bytes, with maps in the order of their keys: a repeat sends the
// same content, but protobuf may order its maps in another way.
std::string CanonicalBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

// Reads the items of one request.
class Decoder {
 public:
  Decoder(absl::string_view database, const Catalog& catalog)
      : database_(database), catalog_(catalog) {}

  absl::StatusOr<std::vector<RecordItem>> Decode(
      const v1::WriteRequest& request) {
    std::vector<RecordItem> items;
    items.reserve(request.items_size());
    for (int i = 0; i < request.items_size(); ++i) {
      RecordItem& item = items.emplace_back();
      const std::string path = absl::StrCat("items[", i, "]");
      ASSIGN_OR_RETURN(const bool known,
                       FindCollection(request.items(i), path, item));
      if (known) DecodeAction(request.items(i), path, item);
    }
    RETURN_IF_ERROR(violations_.ToStatus());
    return items;
  }

 private:
  // Returns false after a violation.
  absl::StatusOr<bool> FindCollection(const v1::WriteItem& sent,
                                      absl::string_view path,
                                      RecordItem& item) {
    if (sent.collection().empty()) {
      violations_.Add(absl::StrCat(path, ".collection"),
                      "is empty; name the record's collection");
      return false;
    }
    // Most requests name one collection again and again.
    CollectionPtr& known = collections_[sent.collection()];
    if (known == nullptr) {
      absl::StatusOr<CollectionPtr> found =
          catalog_.Get(database_, sent.collection());
      if (!found.ok()) return WithContext(found.status(), path);
      known = *std::move(found);
    }
    item.collection = known;
    return true;
  }

  void DecodeAction(const v1::WriteItem& sent, absl::string_view path,
                    RecordItem& item) {
    switch (sent.action_case()) {
      case v1::WriteItem::kUpsert:
        item.action = RecordItem::Action::kUpsert;
        DecodeUpsert(sent.upsert(), absl::StrCat(path, ".upsert"), item);
        return;
      case v1::WriteItem::kDelete:
        item.action = RecordItem::Action::kDelete;
        item.id = sent.delete_().id();
        CheckId(item.id, absl::StrCat(path, ".delete.id"));
        return;
      case v1::WriteItem::ACTION_NOT_SET:
        violations_.Add(path, "has no action; give upsert or delete");
        return;
    }
  }

  void DecodeUpsert(const v1::Record& record, const std::string& path,
                    RecordItem& item) {
    if (!record.id().empty()) CheckId(record.id(), path + ".id");
    item.id = record.id();
    const std::string fields_path = path + ".fields";
    const schema::CollectionSpec& spec = item.collection->spec;
    std::vector<Assignment> sent =
        DecodeFields(spec, record.fields(), fields_path, violations_);
    item.sent.reserve(sent.size());
    for (const Assignment& assignment : sent) {
      item.sent.push_back(assignment.field);
    }
    // Violations only if the record turns out to be new.
    FieldViolations missing;
    item.values =
        CompleteNewRecord(spec, std::move(sent), fields_path, missing);
    item.complete = missing.empty();
  }

  void CheckId(absl::string_view id, absl::string_view path) {
    const std::optional<std::string> problem = FindRecordIdProblem(id);
    if (problem.has_value()) violations_.Add(path, *problem);
  }

  const absl::string_view database_;
  const Catalog& catalog_;
  absl::flat_hash_map<std::string, CollectionPtr> collections_;
  FieldViolations violations_;
};

}  // namespace

absl::StatusOr<RecordBatch> DecodeBatch(absl::string_view database,
                                        const Catalog& catalog,
                                        const v1::WriteRequest& request) {
  if (request.items_size() == 0 || request.items_size() > kMaxWriteItems) {
    return InvalidField("items",
                        absl::StrCat("has ", request.items_size(),
                                     " entries; give 1 to ", kMaxWriteItems));
  }
  if (request.request_id().size() > kMaxRequestIdBytes) {
    return InvalidField(
        "request_id",
        absl::StrCat("has ", request.request_id().size(),
                     " bytes; give at most ", kMaxRequestIdBytes));
  }
  RecordBatch batch;
  batch.request_id = request.request_id();
  if (!batch.request_id.empty()) {
    batch.request_hash =
        std::string(ContentHash::Of(CanonicalBytes(request)).bytes());
  }
  ASSIGN_OR_RETURN(batch.items, Decoder(database, catalog).Decode(request));
  return batch;
}

}  // namespace engram::storage
