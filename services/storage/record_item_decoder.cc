#include "services/storage/record_item_decoder.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/record_scope.h"
#include "services/storage/record_body_decoder.h"
#include "services/storage/record_id.h"
#include "services/storage/transform_decoder.h"

namespace engram::storage {
namespace {

using Action = RecordItem::Action;

// What is wrong with the id of a collection whose records are numbered.
std::optional<std::string> FindSequenceIdProblem(absl::string_view id) {
  int64_t number = 0;
  if (!id.empty() && absl::ascii_isdigit(id[0]) && id[0] != '0' &&
      absl::SimpleAtoi(id, &number)) {
    return std::nullopt;
  }
  return absl::StrCat("is \"", CutText(id, 40),
                      "\"; this collection numbers its records, so an id is a "
                      "whole number above 0");
}

// Reads one item.
class ItemDecoder {
 public:
  ItemDecoder(const WritableCollection& target, RecordItem& item,
              FieldViolations& violations)
      : target_(target), item_(item), violations_(violations) {}

  void Decode(const v1::WriteItem& sent);

 private:
  enum class IdRule { kRequired, kOptional };

  void DecodeAction(const v1::WriteItem& sent);
  void DecodeRecord(Action action, const v1::Record& record, IdRule rule);
  void DecodeDelete(const v1::DeleteRecord& sent);
  void DecodeRestore(const v1::RestoreRecord& sent);
  void DecodeId(const std::string& id, IdRule rule);
  void DecodeCondition(const v1::Condition& sent);
  void CheckParts(const v1::WriteItem& sent);
  // Adds a violation at a part of the item.
  void Report(absl::string_view part, absl::string_view problem) {
    violations_.Add(violations_.full() ? "" : item_.PathOf(part), problem);
  }
  // The same at a part of the action.
  void ReportInAction(absl::string_view part, absl::string_view problem) {
    Report(absl::StrCat(ActionName(item_.action), ".", part), problem);
  }

  const WritableCollection& target_;
  RecordItem& item_;
  FieldViolations& violations_;
};

void ItemDecoder::Decode(const v1::WriteItem& sent) {
  DecodeAction(sent);
  if (sent.action_case() == v1::WriteItem::ACTION_NOT_SET) return;
  CheckParts(sent);
  if (sent.update_mask().paths_size() > 0) {
    ApplyMask(target_, sent.update_mask(), item_, violations_);
  }
  if (sent.transforms_size() > 0) {
    const auto no_parameters = [](absl::string_view) {
      return google::protobuf::Struct();
    };
    DecodeTransforms(target_, sent.transforms(), no_parameters, item_,
                     violations_);
  }
  if (sent.has_condition()) DecodeCondition(sent.condition());
}

void ItemDecoder::DecodeAction(const v1::WriteItem& sent) {
  switch (sent.action_case()) {
    case v1::WriteItem::kUpsert:
      return DecodeRecord(Action::kUpsert, sent.upsert(), IdRule::kOptional);
    case v1::WriteItem::kCreate:
      return DecodeRecord(Action::kCreate, sent.create(), IdRule::kOptional);
    case v1::WriteItem::kReplace:
      item_.kept = target_.kept();
      return DecodeRecord(Action::kReplace, sent.replace(), IdRule::kOptional);
    case v1::WriteItem::kUpdate:
      return DecodeRecord(Action::kUpdate, sent.update(), IdRule::kRequired);
    case v1::WriteItem::kDelete:
      return DecodeDelete(sent.delete_());
    case v1::WriteItem::kRestore:
      return DecodeRestore(sent.restore());
    case v1::WriteItem::ACTION_NOT_SET:
      break;
  }
  violations_.Add(absl::StrCat("items[", item_.index, "]"),
                  "has no action; give create, upsert, replace, update, delete "
                  "or restore");
}

void ItemDecoder::DecodeRecord(Action action, const v1::Record& record,
                               IdRule rule) {
  item_.action = action;
  DecodeId(record.id(), rule);
  DecodeBody(target_, record, item_, violations_);
  if (record.vectors_size() > 0) {
    DecodeVectors(target_, record, item_, violations_);
  }
}

void ItemDecoder::DecodeDelete(const v1::DeleteRecord& sent) {
  item_.action = Action::kDelete;
  item_.purge = sent.purge();
  DecodeId(sent.id(), IdRule::kRequired);
}

void ItemDecoder::DecodeRestore(const v1::RestoreRecord& sent) {
  item_.action = Action::kRestore;
  item_.version = sent.version();
  DecodeId(sent.id(), IdRule::kRequired);
  if (sent.version() < 0) {
    ReportInAction("version",
                   "is below 0; give a version, or 0 to undo a delete");
  } else if (sent.version() > 0 && !target_.spec().history.has_value()) {
    ReportInAction("version",
                   absl::StrCat("the collection \"", target_.spec().name,
                                "\" keeps no history; declare `history`"));
  } else if (sent.version() == 0 && !target_.collection()->keeps_deleted()) {
    ReportInAction(
        "version",
        absl::StrCat("is 0, which undoes a delete, but the collection \"",
                     target_.spec().name,
                     "\" keeps no deleted records; declare `soft_delete`"));
  }
}

void ItemDecoder::DecodeId(const std::string& id, IdRule rule) {
  item_.id = id;
  if (id.empty() && rule == IdRule::kOptional) return;
  std::optional<std::string> problem = FindRecordIdProblem(id);
  if (!problem.has_value() && target_.spec().sequence_ids) {
    problem = FindSequenceIdProblem(id);
  }
  if (problem.has_value()) ReportInAction("id", *problem);
}

void ItemDecoder::DecodeCondition(const v1::Condition& sent) {
  WriteCondition& condition = item_.condition;
  if (sent.has_version()) condition.version = sent.version();
  if (sent.version() < 0) {
    Report("condition.version",
           "is below 0; give the version that the record must have, or 0 if it "
           "must not exist");
  }
  if (sent.filter().empty()) {
    if (sent.parameters().fields().empty()) return;
    Report("condition.parameters", "is of no use without a filter");
    return;
  }
  absl::StatusOr<filter::Node> filter = filter::ParseFilter(
      sent.filter(), schema::RecordScope(target_.spec()), sent.parameters());
  if (!filter.ok()) {
    Report("condition.filter", filter.status().message());
    return;
  }
  condition.filter = *std::move(filter);
  condition.text = CutText(sent.filter(), 200);
}

// Refuses parts that the action has no use for.
void ItemDecoder::CheckParts(const v1::WriteItem& sent) {
  const Action action = item_.action;
  const bool computes = action == Action::kUpsert ||
                        action == Action::kUpdate || action == Action::kReplace;
  const auto report = [&](absl::string_view part, absl::string_view takers) {
    Report(part, absl::StrCat("belongs to ", takers, "; leave it out of a ",
                              ActionName(action)));
  };
  if (sent.update_mask().paths_size() > 0 &&
      (!computes || action == Action::kReplace)) {
    report("update_mask", "an upsert or update");
  }
  if (sent.transforms_size() > 0 && !computes) {
    report("transforms", "an upsert, update or replace");
  }
  if (sent.has_condition() && action == Action::kCreate) {
    report("condition", "a change of a record that exists");
  }
}

}  // namespace

void DecodeItem(const WritableCollection& target, const v1::WriteItem& sent,
                RecordItem& item, FieldViolations& violations) {
  ItemDecoder(target, item, violations).Decode(sent);
}

}  // namespace engram::storage
