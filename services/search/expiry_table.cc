#include "services/search/expiry_table.h"

#include <utility>

#include "services/search/bytes.h"

namespace engram::search {

void ExpiryTable::Set(int64_t row, absl::Time expires) {
  absl::MutexLock lock(&mutex_);
  if (expires == absl::InfiniteFuture()) {
    expires_us_.erase(row);
  } else {
    expires_us_[row] = absl::ToUnixMicros(expires);
  }
  is_empty_ = expires_us_.empty();
}

void ExpiryTable::Take(ExpiryTable& other) {
  absl::flat_hash_map<int64_t, int64_t> taken;
  {
    absl::MutexLock lock(&other.mutex_);
    taken = std::exchange(other.expires_us_, {});
    other.is_empty_ = true;
  }
  absl::MutexLock lock(&mutex_);
  expires_us_.merge(taken);
  is_empty_ = expires_us_.empty();
}

bool ExpiryTable::IsExpired(int64_t row, absl::Time now) const {
  if (is_empty_) return false;
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = expires_us_.find(row);
  return found != expires_us_.end() && found->second <= absl::ToUnixMicros(now);
}

std::vector<int64_t> ExpiryTable::ExpiredRows(absl::Time now) const {
  std::vector<int64_t> rows;
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [row, expires_us] : expires_us_) {
    if (expires_us <= absl::ToUnixMicros(now)) rows.push_back(row);
  }
  return rows;
}

int64_t ExpiryTable::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return static_cast<int64_t>(expires_us_.size());
}

void ExpiryTable::Encode(std::string& bytes) const {
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [row, expires_us] : expires_us_) {
    AppendNumber<int64_t>(bytes, row);
    AppendNumber<int64_t>(bytes, expires_us);
  }
}

absl::Status ExpiryTable::Decode(absl::string_view bytes) {
  ByteReader reader(bytes);
  absl::MutexLock lock(&mutex_);
  while (reader.left() > 0) {
    int64_t row = 0, expires_us = 0;
    if (!reader.Read(row) || !reader.Read(expires_us)) {
      return absl::DataLossError("the expiry table is damaged");
    }
    expires_us_[row] = expires_us;
    is_empty_ = false;
  }
  return absl::OkStatus();
}

}  // namespace engram::search
