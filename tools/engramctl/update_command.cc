#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/field_text.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using schema::CollectionSpec;
using schema::FieldSpec;
using schema::FieldType;
using storage::v1::RecordService;
using storage::v1::Transform;
using storage::v1::UpdateWhereRequest;
using storage::v1::UpdateWhereResponse;
using storage::v1::WriteRequest;

struct Options {
  std::string collection;
  std::string id;
  std::string where;
  bool dry_run = false;
  ConditionFlags condition;
  // FIELD=VALUE, or FIELD.
  std::vector<std::string> set;
  std::vector<std::string> clear;
  std::vector<std::string> increment;
  std::vector<std::string> max;
  std::vector<std::string> min;
  std::vector<std::string> append;
  std::vector<std::string> append_unique;
  std::vector<std::string> remove;
  std::vector<std::string> set_if_absent;
  std::vector<std::string> now;
  std::vector<std::string> now_if_absent;
  std::vector<std::string> expression;
};

absl::StatusOr<const FieldSpec*> FindField(const CollectionSpec& spec,
                                           absl::string_view flag,
                                           const std::string& name) {
  const FieldSpec* field = spec.FindField(name);
  if (field != nullptr) return field;
  std::vector<absl::string_view> names;
  for (const FieldSpec& known : spec.fields) names.push_back(known.name);
  return InvalidField(
      flag, absl::StrCat("no field \"", name, "\" in the collection \"",
                         spec.name, "\"", schema::DidYouMean(name, names)));
}

struct Assignment {
  std::string field;
  Value value;
};

// "stars=5", the value of the field's type.
absl::StatusOr<Assignment> ParseAssignment(const CollectionSpec& spec,
                                           absl::string_view flag,
                                           const std::string& text) {
  ASSIGN_OR_RETURN(auto parts, SplitAssignment(flag, text));
  ASSIGN_OR_RETURN(const FieldSpec* field, FindField(spec, flag, parts.first));
  auto value = ParseFieldText(field->type, parts.second);
  if (!value.ok()) {
    return InvalidField(absl::StrCat(flag, " ", parts.first),
                        value.status().message());
  }
  return Assignment{std::move(parts.first), *std::move(value)};
}

// "tags=tea": one element of a list.
absl::StatusOr<Assignment> ParseElement(const CollectionSpec& spec,
                                        absl::string_view flag,
                                        const std::string& text) {
  ASSIGN_OR_RETURN(auto parts, SplitAssignment(flag, text));
  ASSIGN_OR_RETURN(const FieldSpec* field, FindField(spec, flag, parts.first));
  Assignment assignment{std::move(parts.first), {}};
  if (field->type == FieldType::kJson) {
    assignment.value = ParseAnyText(parts.second);
  } else {
    assignment.value.set_string_value(parts.second);
  }
  return assignment;
}

// What an update changes: the request's parts that both kinds of it share.
class Changes {
 public:
  using Values = google::protobuf::RepeatedPtrField<Transform>;

  Changes(const CollectionSpec& spec, Struct* fields, Values* transforms)
      : spec_(spec), fields_(fields), transforms_(transforms) {}

  absl::Status Fill(const Options& options) {
    RETURN_IF_ERROR(FillFields(options));
    RETURN_IF_ERROR(AddComputed(options));
    RETURN_IF_ERROR(AddLists(options));
    RETURN_IF_ERROR(AddTimes(options));
    if (fields_->fields().empty() && transforms_->empty()) {
      return absl::InvalidArgumentError(
          "nothing to change; give --set or another change");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status FillFields(const Options& options) {
    for (const std::string& text : options.set) {
      ASSIGN_OR_RETURN(Assignment assignment,
                       ParseAssignment(spec_, "--set", text));
      (*fields_->mutable_fields())[assignment.field] =
          std::move(assignment.value);
    }
    for (const std::string& field : options.clear) {
      RETURN_IF_ERROR(FindField(spec_, "--clear", field).status());
      (*fields_->mutable_fields())[field].set_null_value(
          google::protobuf::NULL_VALUE);
    }
    return absl::OkStatus();
  }

  // Adds a transform for each of `texts`, whose value goes where `operation`
  // says.
  absl::Status AddValues(absl::string_view flag,
                         const std::vector<std::string>& texts,
                         Value* (Transform::*operation)()) {
    for (const std::string& text : texts) {
      ASSIGN_OR_RETURN(Assignment assignment,
                       ParseAssignment(spec_, flag, text));
      Transform& transform = *transforms_->Add();
      transform.set_field(assignment.field);
      *(transform.*operation)() = std::move(assignment.value);
    }
    return absl::OkStatus();
  }

  absl::Status AddComputed(const Options& options) {
    RETURN_IF_ERROR(AddValues("--increment", options.increment,
                              &Transform::mutable_increment));
    RETURN_IF_ERROR(AddValues("--max", options.max, &Transform::mutable_max));
    RETURN_IF_ERROR(AddValues("--min", options.min, &Transform::mutable_min));
    RETURN_IF_ERROR(AddValues("--set-if-absent", options.set_if_absent,
                              &Transform::mutable_set_if_absent));
    for (const std::string& text : options.expression) {
      ASSIGN_OR_RETURN(auto parts, SplitAssignment("--expression", text));
      Transform& transform = *transforms_->Add();
      transform.set_field(parts.first);
      transform.set_expression(parts.second);
    }
    return absl::OkStatus();
  }

  // The elements of one field make one transform.
  Transform& ListTransform(const std::string& field,
                           Transform::OperationCase operation, bool unique) {
    for (Transform& transform : *transforms_) {
      if (transform.field() == field &&
          transform.operation_case() == operation &&
          (operation != Transform::kAppend ||
           transform.append().unique() == unique)) {
        return transform;
      }
    }
    Transform& transform = *transforms_->Add();
    transform.set_field(field);
    if (operation == Transform::kAppend) {
      transform.mutable_append()->set_unique(unique);
    }
    return transform;
  }

  absl::Status AddLists(const Options& options) {
    const auto add_all =
        [&](absl::string_view flag, const std::vector<std::string>& texts,
            Transform::OperationCase operation, bool unique) -> absl::Status {
      for (const std::string& text : texts) {
        ASSIGN_OR_RETURN(Assignment assignment,
                         ParseElement(spec_, flag, text));
        Transform& transform =
            ListTransform(assignment.field, operation, unique);
        auto* list = operation == Transform::kAppend
                         ? transform.mutable_append()->mutable_elements()
                         : transform.mutable_remove();
        *list->add_values() = std::move(assignment.value);
      }
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(
        add_all("--append", options.append, Transform::kAppend, false));
    RETURN_IF_ERROR(add_all("--append-unique", options.append_unique,
                            Transform::kAppend, true));
    return add_all("--remove", options.remove, Transform::kRemove, false);
  }

  absl::Status AddTimes(const Options& options) {
    const auto add = [&](const std::string& field, bool if_absent) {
      Transform& transform = *transforms_->Add();
      transform.set_field(field);
      transform.mutable_set_now()->set_if_absent(if_absent);
    };
    for (const std::string& field : options.now) add(field, false);
    for (const std::string& field : options.now_if_absent) add(field, true);
    return absl::OkStatus();
  }

  const CollectionSpec& spec_;
  Struct* fields_;
  Values* transforms_;
};

absl::Status UpdateWhere(Context& context, const CollectionSpec& spec,
                         const Options& options) {
  UpdateWhereRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_filter(options.where);
  request.set_dry_run(options.dry_run);
  RETURN_IF_ERROR(
      options.condition.FillParameters(request.mutable_parameters()));
  RETURN_IF_ERROR(
      Changes(spec, request.mutable_fields(), request.mutable_transforms())
          .Fill(options));
  ASSIGN_OR_RETURN(
      const UpdateWhereResponse response,
      context.connection().Call(Role::kStorage,
                                &RecordService::Stub::UpdateWhere, request));
  std::ostream& out = context.console.out;
  if (context.console.json) {
    out << JsonObject()
               .Int("matched", response.matched())
               .Int("updated", response.updated())
               .Text("position", response.position())
               .ToString()
        << "\n";
    return absl::OkStatus();
  }
  out << "matched    " << WithCommas(response.matched()) << "\n";
  if (options.dry_run) {
    out << "dry run: nothing is changed\n";
    return absl::OkStatus();
  }
  out << "updated    " << WithCommas(response.updated()) << "\n";
  out << "position   " << response.position() << "\n";
  return absl::OkStatus();
}

absl::Status Update(Context& context, const Options& options) {
  ASSIGN_OR_RETURN(const CollectionSpec spec,
                   FetchSchema(context, options.collection));
  if (!options.where.empty()) return UpdateWhere(context, spec, options);
  WriteRequest request;
  request.set_database(context.database);
  auto* item = request.add_items();
  item->set_collection(options.collection);
  item->mutable_update()->set_id(options.id);
  RETURN_IF_ERROR(Changes(spec, item->mutable_update()->mutable_fields(),
                          item->mutable_transforms())
                      .Fill(options));
  if (!options.condition.empty()) {
    RETURN_IF_ERROR(options.condition.Fill(item->mutable_condition()));
  }
  return SendWrite(context, request);
}

void AddChanges(CLI::App* update, Options& options) {
  const auto add = [update](const char* name, std::vector<std::string>& to,
                            const char* description) {
    update->add_option(name, to, description)
        ->allow_extra_args(false)
        ->group("Changes");
  };
  add("--set", options.set, "FIELD=VALUE: the new value");
  add("--clear", options.clear, "FIELD: it has no value any more");
  add("--increment", options.increment, "FIELD=NUMBER: adds to it");
  add("--max", options.max, "FIELD=VALUE: takes the larger");
  add("--min", options.min, "FIELD=VALUE: takes the smaller");
  add("--append", options.append, "FIELD=ELEMENT: adds to the end of a list");
  add("--append-unique", options.append_unique,
      "FIELD=ELEMENT: the same, unless the list has it");
  add("--remove", options.remove,
      "FIELD=ELEMENT: removes every such element of a list");
  add("--set-if-absent", options.set_if_absent,
      "FIELD=VALUE: if it has no value");
  add("--now", options.now, "FIELD: the time of the write");
  add("--now-if-absent", options.now_if_absent,
      "FIELD: the same, if it has no value");
  add("--expression", options.expression,
      "FIELD=EXPRESSION over the record's fields");
}

}  // namespace

void AddUpdateCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* update = app.add_subcommand(
      "update", "Change a record, or all that meet a filter");
  update->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  CLI::Option_group* which = update->add_option_group("Records");
  which->add_option("ID", options->id, "The record's id");
  CLI::Option* where =
      which->add_option("--where", options->where,
                        "Every record that meets this filter; `true` is all");
  which->require_option(1);
  update->add_flag("--dry-run", options->dry_run, "Only count")->needs(where);
  AddChanges(update, *options);
  options->condition.Declare(update);
  update->get_option("--if-version")->excludes(where);
  update->get_option("--if")->excludes(where);
  update->footer(
      R"(What is sent is taken as it is, without merge rules. A value is written as the
field's type wants it: text as it is, lists and json as JSON.

Examples:
  engramctl update notes n1 --set stars=4 --append tags=tea
  engramctl update notes n1 --increment views=1 --now seen_at --if-version 3
  engramctl update notes --where 'stars < 2' --set kind=old --dry-run
  engramctl update jobs j1 --set state=done --if 'state = "running"')");
  update->callback([&context, options] {
    context.action = [&context, options] { return Update(context, *options); };
  });
}

}  // namespace engram::engramctl
