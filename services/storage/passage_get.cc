#include "services/storage/passage_get.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/content_hash.h"
#include "services/storage/generation_target.h"
#include "services/storage/generation_text.h"
#include "services/storage/read_target.h"
#include "services/storage/seen_row.h"

namespace engram::storage {
namespace {

constexpr int kMaxVectors = 1000;
constexpr size_t kMaxAnswerBytes = size_t{3} << 20;
// To cut a passage out of a text, all of it is read and hashed: 50 ms.
constexpr size_t kMaxTextBytes = size_t{32} << 20;

constexpr int64_t kNow = std::numeric_limits<int64_t>::max();

absl::Status CheckVectors(const v1::GetPassagesRequest& request) {
  const int count = request.vectors_size();
  if (count == 0 || count > kMaxVectors) {
    return InvalidField(
        "vectors",
        absl::StrCat("has ", count, " entries; give 1 to ", kMaxVectors));
  }
  for (int i = 0; i < count; ++i) {
    const int chunk = request.vectors(i).chunk();
    if (chunk >= 0 && chunk < kMaxChunks) continue;
    return InvalidField(absl::StrCat("vectors[", i, "].chunk"),
                        absl::StrCat("is ", chunk, "; a record has the chunks ",
                                     "0 to ", kMaxChunks - 1, " at most"));
  }
  return absl::OkStatus();
}

// Returns the newest change whose vectors the caller may know; 0 if it knows
// another history of the database than this one.
absl::StatusOr<int64_t> LastKnown(const v1::GetPassagesRequest& request,
                                  const Database& database) {
  if (request.position().empty()) return kNow;
  const absl::StatusOr<Position> position = Position::Parse(request.position());
  if (!position.ok()) {
    return InvalidField("position", position.status().message());
  }
  return position->epoch == database.epoch() ? position->sequence : 0;
}

// Key of a vector: content hash, sequence, and begin and end if chunked.
std::string SelectOriginSql(const Generation& generation) {
  return absl::StrCat("SELECT content_hash, sequence",
                      generation.chunked ? ", text_begin, text_end" : "",
                      " FROM _vectors_", generation.id, " WHERE _key = ?");
}

// Whether a character begins there, or the text ends.
bool IsBoundary(absl::string_view text, int64_t place) {
  constexpr int kMask = 0xC0;
  constexpr int kWithin = 0x80;
  const auto index = static_cast<size_t>(place);
  return index == text.size() ||
         (index < text.size() && (text[index] & kMask) != kWithin);
}

// The passages of one generation, found one after the other.
class PassageFinder {
 public:
  PassageFinder(const ReadTarget& target, const Generation& generation,
                int64_t last_known, int64_t now_us)
      : target_(target),
        generation_(generation),
        select_origin_(SelectOriginSql(generation)),
        last_known_(last_known),
        now_us_(now_us) {}

  absl::StatusOr<std::optional<std::string>> Find(const v1::VectorName& name) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     FindSeenRow(target_, name.id(), now_us_));
    if (!row.has_value()) return std::nullopt;
    ASSIGN_OR_RETURN(sqlite::Statement origin,
                     target_.connection().Cached(select_origin_));
    origin.BindInt(1, VectorKey(*row, name.chunk()));
    ASSIGN_OR_RETURN(const bool found, origin.Step());
    if (!found || origin.Int(1) > last_known_) return std::nullopt;
    ASSIGN_OR_RETURN(
        std::optional<GenerationText> now,
        ReadGenerationText(target_.connection(), *target_.collection,
                           generation_, *row));
    if (!now.has_value()) return std::nullopt;
    text_bytes_ += now->text.size();
    if (ContentHash::Of(now->text).bytes() != origin.Blob(0)) {
      return std::nullopt;
    }
    if (!generation_.chunked) return std::move(now->text);
    return Cut(now->text, {.begin = origin.Int(2), .end = origin.Int(3)});
  }

  // Of the texts that were read for it.
  size_t text_bytes() const { return text_bytes_; }

 private:
  // Nothing where whoever put the vector told a place that is none.
  static std::optional<std::string> Cut(absl::string_view text,
                                        ChunkRange range) {
    if (!IsBoundary(text, range.begin) || !IsBoundary(text, range.end)) {
      return std::nullopt;
    }
    return std::string(text.substr(range.begin, range.end - range.begin));
  }

  const ReadTarget& target_;
  const Generation& generation_;
  const std::string select_origin_;
  const int64_t last_known_;
  const int64_t now_us_;
  size_t text_bytes_ = 0;
};

}  // namespace

absl::Status GetVectorPassages(Database& database,
                               const v1::GetPassagesRequest& request,
                               v1::GetPassagesResponse* response) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  RETURN_IF_ERROR(CheckVectors(request));
  ASSIGN_OR_RETURN(const VectorField* const field,
                   FindVectorField(*target.collection, request.vector_field()));
  const Generation* generation = &field->serving();
  if (request.generation() != 0) {
    ASSIGN_OR_RETURN(generation, FindGeneration(*target.collection, *field,
                                                request.generation()));
  }
  ASSIGN_OR_RETURN(const int64_t last_known, LastKnown(request, database));
  PassageFinder finder(target, *generation, last_known, database.now_us());
  size_t bytes = 0;
  for (const v1::VectorName& name : request.vectors()) {
    std::optional<std::string> text;
    if (!generation->supplied()) {
      ASSIGN_OR_RETURN(text, finder.Find(name));
    }
    bytes += text.has_value() ? text->size() : 0;
    const bool is_first = response->passages().empty();
    if (bytes > kMaxAnswerBytes && !is_first) break;
    v1::Passage& passage = *response->add_passages();
    if (text.has_value()) passage.set_text(*std::move(text));
    if (finder.text_bytes() > kMaxTextBytes) break;
  }
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  return absl::OkStatus();
}

}  // namespace engram::storage
