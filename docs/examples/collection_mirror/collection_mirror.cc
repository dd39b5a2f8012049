// Keeps a copy of a collection in a file, by change-data-capture: a snapshot,
// then every change, for as long as it runs. Killed at any moment, it goes on
// where the file is. See README.md.
//
//   collection_mirror <server> <collection> <file>

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "engram/storage/v1/feed.grpc.pb.h"

namespace {

using engram::storage::v1::AcknowledgeChangesRequest;
using engram::storage::v1::AcknowledgeChangesResponse;
using engram::storage::v1::Change;
using engram::storage::v1::FEED_VIEW_RECORD;
using engram::storage::v1::FeedService;
using engram::storage::v1::Record;
using engram::storage::v1::RecordChanged;
using engram::storage::v1::SnapshotRecords;
using engram::storage::v1::StreamSnapshotRequest;
using engram::storage::v1::StreamSnapshotResponse;
using engram::storage::v1::WatchChangesRequest;
using engram::storage::v1::WatchChangesResponse;
using Clock = std::chrono::steady_clock;

constexpr auto kSaveInterval = std::chrono::milliseconds(500);

// `<database>@<epoch>.<sequence>`
int64_t SequenceOf(const std::string& position) {
  return std::stoll(position.substr(position.rfind('.') + 1));
}

// The copy. In a real application this is a table, and Save a transaction: the
// position must be stored together with the records that it tells of.
class Mirror {
 public:
  explicit Mirror(std::string path) : path_(std::move(path)) {}

  // The file has the position on its first line, then a record a line.
  void Load() {
    std::ifstream file(path_);
    if (!std::getline(file, position_)) return;
    for (std::string line; std::getline(file, line);) {
      Record record;
      if (!google::protobuf::util::JsonStringToMessage(line, &record).ok()) {
        throw std::runtime_error(path_ + " is damaged; delete it");
      }
      records_[record.id()].record = record;
    }
  }

  void Save() {
    {
      std::ofstream file(path_ + ".new");
      file << position_ << "\n";
      for (const auto& [id, entry] : records_) {
        std::string line;
        google::protobuf::util::MessageToJsonString(entry.record, &line);
        file << line << "\n";
      }
    }
    // Whoever is killed here has the old file or the new one, whole.
    std::rename((path_ + ".new").c_str(), path_.c_str());
  }

  void Clear() { records_.clear(); }

  // A scan may have seen a record later than a change tells of it: the newer
  // sequence wins.
  void Put(int64_t sequence, const Record& record) {
    Entry& entry = records_[record.id()];
    if (sequence >= entry.sequence) entry = {sequence, record};
  }
  void Erase(int64_t sequence, const std::string& id) {
    const auto found = records_.find(id);
    if (found == records_.end() || found->second.sequence > sequence) return;
    records_.erase(found);
  }

  const std::string& position() const { return position_; }
  void set_position(const std::string& position) { position_ = position; }

 private:
  struct Entry {
    int64_t sequence = 0;
    Record record;
  };

  const std::string path_;
  // Empty until there is a snapshot.
  std::string position_;
  std::map<std::string, Entry> records_;
};

class Replicator {
 public:
  Replicator(const std::string& server, std::string collection,
             const std::string& file)
      : collection_(std::move(collection)), mirror_(file) {
    grpc::ChannelArguments arguments;
    // A change carries a record twice, before and after.
    arguments.SetMaxReceiveMessageSize(64 << 20);
    feed_ = FeedService::NewStub(grpc::CreateCustomChannel(
        server, grpc::InsecureChannelCredentials(), arguments));
    mirror_.Load();
  }

  // Returns when the connection breaks, or when there is nothing to go on from.
  grpc::Status Run() {
    if (mirror_.position().empty()) {
      const grpc::Status status = ReadSnapshot();
      if (!status.ok()) return status;
    }
    const grpc::Status status = FollowChanges();
    // The changes after our position are not kept any more, or the database was
    // restored: begin again.
    if (status.error_code() == grpc::StatusCode::OUT_OF_RANGE) {
      mirror_.set_position("");
    }
    return status;
  }

 private:
  grpc::Status ReadSnapshot() {
    std::string position;
    std::string token;
    mirror_.Clear();
    while (true) {
      StreamSnapshotRequest request;
      request.set_view(FEED_VIEW_RECORD);
      request.add_collections(collection_);
      // A stream that broke goes on; a long copy does not begin anew.
      request.set_resume_token(token);
      grpc::ClientContext context;
      const auto reader = feed_->StreamSnapshot(&context, request);
      StreamSnapshotResponse part;
      while (reader->Read(&part)) {
        if (part.has_start()) position = part.start().position();
        if (part.has_end()) exact_from_ = SequenceOf(part.end().position());
        if (part.has_records()) token = part.records().resume_token();
        const SnapshotRecords& records = part.records();
        for (int i = 0; i < records.records_size(); ++i) {
          mirror_.Put(records.sequences(i), records.records(i));
        }
      }
      const grpc::Status status = reader->Finish();
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
          !token.empty()) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        continue;
      }
      // Where the snapshot began: what was written meanwhile follows.
      if (status.ok()) mirror_.set_position(position);
      return status;
    }
  }

  grpc::Status FollowChanges() {
    WatchChangesRequest request;
    request.set_after_position(mirror_.position());
    request.set_view(FEED_VIEW_RECORD);
    request.add_collections(collection_);
    grpc::ClientContext context;
    const auto reader = feed_->WatchChanges(&context, request);
    WatchChangesResponse response;
    while (reader->Read(&response)) {
      for (const Change& change : response.changes()) Apply(change);
      mirror_.set_position(response.position());
      const bool is_current = response.position() == response.newest_position();
      SaveIfDue(is_current);
    }
    return reader->Finish();
  }

  void Apply(const Change& change) {
    if (change.has_record_changed()) {
      const RecordChanged& changed = change.record_changed();
      // Absent if it was deleted for good since: that change follows.
      if (changed.has_after()) mirror_.Put(change.sequence(), changed.after());
    } else if (change.has_record_deleted()) {
      mirror_.Erase(change.sequence(), change.record_deleted().id());
    } else if (change.has_collection_dropped()) {
      mirror_.Clear();
    }
  }

  // Position and records together, then the acknowledgement: storage keeps what
  // comes after it for us, however long we are away.
  void SaveIfDue(bool is_current) {
    // Until then the copy is of no one moment.
    if (SequenceOf(mirror_.position()) < exact_from_) return;
    if (!is_current && Clock::now() < next_save_) return;
    mirror_.Save();
    next_save_ = Clock::now() + kSaveInterval;
    AcknowledgeChangesRequest request;
    request.set_follower("mirror-of-" + collection_);
    request.set_position(mirror_.position());
    grpc::ClientContext context;
    AcknowledgeChangesResponse response;
    const grpc::Status status =
        feed_->AcknowledgeChanges(&context, request, &response);
    if (!status.ok()) std::cerr << status.error_message() << "\n";
  }

  const std::string collection_;
  std::unique_ptr<FeedService::Stub> feed_;
  Mirror mirror_;
  // The sequence from which on the copy is exact.
  int64_t exact_from_ = 0;
  Clock::time_point next_save_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: collection_mirror <server> <collection> <file>\n";
    return 2;
  }
  Replicator replicator(argv[1], argv[2], argv[3]);
  while (true) {
    const grpc::Status status = replicator.Run();
    std::cerr << status.error_message() << "; trying again\n";
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}
