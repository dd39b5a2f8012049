#include "services/search/value_index.h"

#include <roaring/roaring.hh>
#include <utility>
#include <variant>

namespace engram::search {

ValueIndex::ValueIndex() = default;
ValueIndex::~ValueIndex() = default;

uint32_t ValueIndex::Add(absl::string_view value, uint32_t slot) {
  const auto known = codes_.find(value);
  if (known == codes_.end()) {
    uint32_t code = static_cast<uint32_t>(entries_.size());
    if (free_.empty()) {
      entries_.emplace_back();
    } else {
      code = free_.back();
      free_.pop_back();
    }
    Entry& entry = entries_[code];
    entry.value = std::string(value);
    entry.slots = 1;
    entry.only = slot;
    codes_[std::get<std::string>(entry.value)] = code;
    text_bytes_ += static_cast<int64_t>(value.size());
    return code;
  }
  Entry& entry = entries_[known->second];
  if (entry.many == nullptr) {
    if (entry.only == slot) return known->second;
    entry.many = std::make_unique<Roaring>();
    entry.many->add(entry.only);
  }
  if (entry.many->addChecked(slot)) ++entry.slots;
  return known->second;
}

void ValueIndex::Remove(uint32_t code, uint32_t slot) {
  Entry& entry = entries_[code];
  if (entry.many != nullptr && !entry.many->removeChecked(slot)) return;
  if (entry.many == nullptr && entry.only != slot) return;
  if (--entry.slots > 0) return;
  const auto& text = std::get<std::string>(entry.value);
  text_bytes_ -= static_cast<int64_t>(text.size());
  codes_.erase(text);
  entry = Entry();
  free_.push_back(code);
}

std::optional<uint32_t> ValueIndex::Find(absl::string_view value) const {
  const auto found = codes_.find(value);
  if (found == codes_.end()) return std::nullopt;
  return found->second;
}

const schema::FieldValue& ValueIndex::ValueOf(uint32_t code) const {
  return entries_[code].value;
}

void ValueIndex::AddSlots(uint32_t code, SlotSet& slots) const {
  const Entry& entry = entries_[code];
  if (entry.many == nullptr) {
    slots.Add(entry.only);
    return;
  }
  entry.many->iterate(
      [](uint32_t slot, void* into) {
        static_cast<SlotSet*>(into)->Add(slot);
        return true;
      },
      &slots);
}

int64_t ValueIndex::memory_bytes() const {
  // One control byte a place beside the entry itself.
  constexpr size_t kCodeBytes =
      sizeof(std::pair<absl::string_view, uint32_t>) + 1;
  // What fits into a string itself takes no other memory.
  constexpr size_t kInlineBytes = 15;
  size_t bytes = entries_.size() * sizeof(Entry) +
                 free_.capacity() * sizeof(uint32_t) +
                 codes_.capacity() * kCodeBytes;
  for (const Entry& entry : entries_) {
    if (entry.slots == 0) continue;
    const auto& text = std::get<std::string>(entry.value);
    if (text.capacity() > kInlineBytes) bytes += text.capacity() + 1;
    if (entry.many != nullptr) {
      bytes += sizeof(Roaring) + entry.many->getSizeInBytes(false);
    }
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace engram::search
