#include "tools/engramctl/change_view.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/engramctl/record_view.h"

namespace engram::engramctl {
namespace {

using storage::v1::Change;
using storage::v1::Record;

// A change, whatever its kind.
struct View {
  absl::string_view what;
  std::string collection;
  // Empty if it is about the collection.
  std::string id;
  // Null if there was none, or if it is not known.
  const Record* before = nullptr;
  const Record* after = nullptr;
  // The collection's name before it was renamed.
  std::string previous_name;
};

View ViewOf(const Change& change) {
  View view;
  switch (change.change_case()) {
    case Change::kRecordChanged: {
      const auto& changed = change.record_changed();
      view = {.what = "changed",
              .collection = changed.collection(),
              .id = changed.id()};
      if (changed.has_before()) view.before = &changed.before();
      if (changed.has_after()) view.after = &changed.after();
      // Restored ones come like new ones, with a later version.
      if (view.before == nullptr && view.after != nullptr) {
        view.what = view.after->version() == 1 ? "created" : "restored";
      }
      return view;
    }
    case Change::kRecordDeleted: {
      const auto& deleted = change.record_deleted();
      view = {.what = "deleted",
              .collection = deleted.collection(),
              .id = deleted.id()};
      if (deleted.has_before()) view.before = &deleted.before();
      return view;
    }
    case Change::kCollectionCreated:
      return {.what = "collection created",
              .collection = change.collection_created().name()};
    case Change::kCollectionChanged: {
      const auto& changed = change.collection_changed();
      view = {.what = "collection changed",
              .collection = changed.collection().name()};
      if (changed.previous_name() != view.collection) {
        view.previous_name = changed.previous_name();
      }
      return view;
    }
    case Change::kCollectionDropped:
      return {.what = "collection dropped",
              .collection = change.collection_dropped().collection()};
    default:
      return {.what = "unknown change"};
  }
}

// The fields that differ, by name.
std::vector<std::string> ChangedFields(const View& view) {
  std::set<std::string> names;
  for (const Record* record : {view.before, view.after}) {
    if (record == nullptr) continue;
    for (const auto& [name, value] : record->fields().fields()) {
      names.insert(name);
    }
  }
  std::vector<std::string> changed;
  for (const std::string& name : names) {
    if (view.before == nullptr || view.after == nullptr ||
        FieldText(*view.before, name) != FieldText(*view.after, name)) {
      changed.push_back(name);
    }
  }
  return changed;
}

std::string FieldsText(const View& view) {
  const auto append = [&](std::string* out, const std::string& name) {
    absl::StrAppend(out, name, ": ");
    if (view.before != nullptr) {
      absl::StrAppend(out, FieldText(*view.before, name));
    }
    if (view.before != nullptr && view.after != nullptr) {
      absl::StrAppend(out, " > ");
    }
    if (view.after != nullptr) {
      absl::StrAppend(out, FieldText(*view.after, name));
    }
  };
  // What a deleted record was is too much to read.
  if (view.after == nullptr) return "";
  return absl::StrJoin(ChangedFields(view), ", ", append);
}

}  // namespace

std::string ChangeAsText(const Change& change) {
  const View view = ViewOf(change);
  std::string line =
      absl::StrFormat("%s  %d  %-8s  %s", TimestampText(change.commit_time()),
                      change.sequence(), view.what, view.collection);
  if (!view.id.empty()) absl::StrAppend(&line, "/", view.id);
  if (!view.previous_name.empty()) {
    absl::StrAppend(&line, "  was ", view.previous_name);
  }
  const std::string fields = FieldsText(view);
  if (!fields.empty()) absl::StrAppend(&line, "  ", fields);
  return line;
}

JsonObject ChangeAsJson(const Change& change, absl::string_view position) {
  const View view = ViewOf(change);
  JsonObject object;
  object.Text("position", position)
      .Text("time", TimestampText(change.commit_time()))
      .Text("what", view.what)
      .Text("collection", view.collection);
  if (!view.id.empty()) object.Text("id", view.id);
  if (!view.previous_name.empty()) {
    object.Text("previous_name", view.previous_name);
  }
  if (view.before != nullptr)
    object.Object("before", RecordAsJson(*view.before));
  if (view.after != nullptr) object.Object("after", RecordAsJson(*view.after));
  if (view.before != nullptr && view.after != nullptr) {
    object.Texts("changed_fields", ChangedFields(view));
  }
  return object;
}

}  // namespace engram::engramctl
