#include "services/storage/record_batch.h"

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_item_decoder.h"
#include "services/storage/request_fields.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

// What the errors of a batch's items may add up to, as an answer has to fit a
// message. Each one's text is in its details once more.
constexpr size_t kMaxErrorBytes = 256 << 10;

// Reads the items of one request.
class BatchDecoder {
 public:
  BatchDecoder(absl::string_view database, const Catalog& catalog)
      : database_(database), catalog_(catalog) {}

  absl::Status Decode(const v1::WriteRequest& request, RecordBatch& batch) {
    batch.items.resize(request.items_size());
    FieldViolations violations;
    for (int i = 0; i < request.items_size(); ++i) {
      RecordItem& item = batch.items[i];
      item.index = i;
      if (batch.atomic) {
        RETURN_IF_ERROR(DecodeItem(request.items(i), item, violations));
        continue;
      }
      FieldViolations own;
      item.error = DecodeItem(request.items(i), item, own);
      if (item.error.ok()) item.error = own.ToStatus();
      if (!item.error.ok()) BoundError(item.error);
    }
    return violations.ToStatus();
  }

 private:
  absl::Status DecodeItem(const v1::WriteItem& sent, RecordItem& item,
                          FieldViolations& violations) {
    if (sent.collection().empty()) {
      violations.Add(item.PathOf("collection"),
                     "is empty; name the record's collection");
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const WritableCollection* target,
                     FindCollection(sent.collection(), item.index));
    item.collection = target->collection();
    storage::DecodeItem(*target, sent, item, violations);
    return absl::OkStatus();
  }

  absl::StatusOr<const WritableCollection*> FindCollection(
      const std::string& name, int index) {
    // Most requests name one collection again and again.
    if (last_ != nullptr && last_->spec().name == name) return last_;
    std::unique_ptr<WritableCollection>& known = collections_[name];
    if (known == nullptr) {
      absl::StatusOr<CollectionPtr> found = catalog_.Get(database_, name);
      if (!found.ok()) {
        return WithContext(found.status(), absl::StrCat("items[", index, "]"));
      }
      known = std::make_unique<WritableCollection>(*std::move(found), catalog_);
    }
    return last_ = known.get();
  }

  void BoundError(absl::Status& error) {
    error_bytes_ += error.message().size();
    if (error_bytes_ <= kMaxErrorBytes) return;
    error = MakeError(error.code(), ReasonOf(error),
                      "the answer has no room to say more; send this item with "
                      "fewer others");
  }

  const absl::string_view database_;
  const Catalog& catalog_;
  // A name that is unknown has a null.
  absl::flat_hash_map<std::string, std::unique_ptr<WritableCollection>>
      collections_;
  const WritableCollection* last_ = nullptr;
  size_t error_bytes_ = 0;
};

}  // namespace

absl::string_view ActionName(RecordItem::Action action) {
  switch (action) {
    case RecordItem::Action::kCreate:
      return "create";
    case RecordItem::Action::kUpsert:
      return "upsert";
    case RecordItem::Action::kReplace:
      return "replace";
    case RecordItem::Action::kUpdate:
      return "update";
    case RecordItem::Action::kDelete:
      return "delete";
    case RecordItem::Action::kRestore:
      return "restore";
  }
  return "";
}

std::string RecordItem::PathOf(absl::string_view part) const {
  return index < 0 ? std::string(part)
                   : absl::StrCat("items[", index, "].", part);
}

std::string RecordItem::FieldsPath() const {
  if (index < 0) return "fields";
  if (action == Action::kRestore) return PathOf("restore");
  return absl::StrCat("items[", index, "].", ActionName(action),
                      typed ? ".typed" : ".fields");
}

absl::StatusOr<RecordBatch> DecodeBatch(absl::string_view database,
                                        const Catalog& catalog,
                                        const v1::WriteRequest& request) {
  if (request.items_size() == 0 || request.items_size() > kMaxWriteItems) {
    return InvalidField("items",
                        absl::StrCat("has ", request.items_size(),
                                     " entries; give 1 to ", kMaxWriteItems));
  }
  RecordBatch batch;
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  batch.request_id = request.request_id();
  if (!batch.request_id.empty()) batch.request_hash = HashRequest(request);
  batch.atomic = !request.has_atomic() || request.atomic();
  // Before any collection is looked up: one that is replaced in between makes
  // the batch out of date.
  batch.schema_version = catalog.schema_version();
  RETURN_IF_ERROR(BatchDecoder(database, catalog).Decode(request, batch));
  return batch;
}

}  // namespace engram::storage
