#pragma once

// For this module's tests: a log in memory, with the part of a manifest that it needs.
//
// Confined to one thread, but for what Log allows on log().

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/coding.h"
#include "vfs/file_system.h"
#include "wal/log.h"
#include "wal/replay.h"

namespace nokv::wal {

inline constexpr uint64_t kTestDatabaseId = 0x1122334455667788;

// A record as it went in or came out.
struct TestRecord {
  LogPosition at;
  RecordType type = RecordType::kBatch;
  uint32_t stream = 0;
  uint64_t word = 0;
  std::string payload;

  bool operator==(const TestRecord&) const = default;
};

inline void PrintTo(const TestRecord& record, std::ostream* out) {
  *out << record.at.ToString() << " type " << static_cast<int>(record.type) << " stream "
       << record.stream << " word " << record.word << ", " << record.payload.size() << " bytes";
}

// What the engine's manifest says about the log. Durable at once.
struct TestManifest {
  uint32_t first_segment = 1;
  uint32_t created_through = 0;
  std::optional<LogPosition> clean_end = std::nullopt;
};

class LogHarness {
 public:
  explicit LogHarness(vfs::FileSystem* fs,
                      TestManifest manifest = {},
                      uint64_t segment_bytes = 4096)
      : fs_(fs), manifest_(std::move(manifest)) {
    options_.segment_bytes = segment_bytes;
    options_.recycle_max = 2;
    options_.on_segment_created = [this](uint32_t id) {
      NOKV_TRY(announce_error_);
      EXPECT_EQ(id, manifest_.created_through + 1);
      manifest_.created_through = id;
      manifest_.clean_end.reset();
      return Status::Ok();
    };
  }

  // Makes the directory, durably.
  static void MakeDirectory(vfs::FileSystem* fs) {
    EXPECT_TRUE(fs->CreateDirectory(kDirectory).ok());
    EXPECT_TRUE(fs->SyncDirectory(".").ok());
  }

  static constexpr char kDirectory[] = "log";
  static std::string PathOf(uint32_t segment) {
    return vfs::JoinPath(kDirectory, SegmentFileName(segment));
  }

  Result<ReplayResult> Replay(std::vector<TestRecord>* records) const {
    return ReplayLog(
        fs_, kDirectory, kTestDatabaseId,
        {.first_segment = manifest_.first_segment,
         .created_through = manifest_.created_through,
         .clean_end = manifest_.clean_end},
        [&](LogPosition at, RecordType type, uint32_t stream, uint64_t word, Slice payload) {
          records->push_back({at, type, stream, word, std::string(payload)});
          return Status::Ok();
        });
  }

  // Replays, then opens the log behind what was found.
  Status Open() {
    recovered_records_.clear();
    NOKV_ASSIGN_OR_RETURN(recovered_, Replay(&recovered_records_));
    recovered_.next_word = next_word_ =
        recovered_records_.empty() ? 1 : recovered_records_.back().word + 1;
    NOKV_ASSIGN_OR_RETURN(log_, Log::Open(fs_, kDirectory, kTestDatabaseId, options_, recovered_));
    return Status::Ok();
  }

  // Takes a place for a record, rotating if need be. *record is what WriteReserved is to write.
  Status Reserve(std::string payload, uint32_t stream, Reservation* place, TestRecord* record) {
    if (!log_->TryReserve(payload.size(), place)) {
      NOKV_TRY(log_->Rotate(payload.size(), next_word_));
      EXPECT_TRUE(log_->TryReserve(payload.size(), place));
    }
    *record = {place->position(), RecordType::kBatch, stream, next_word_++, std::move(payload)};
    return Status::Ok();
  }
  Status WriteReserved(const Reservation& place, const TestRecord& record) {
    return log_->Write(place, record.type, record.stream, record.word, record.payload,
                       PayloadHash(record.payload));
  }
  // The record stands at the end of appended() afterwards.
  Status Append(std::string payload, uint32_t stream = 0) {
    Reservation place;
    TestRecord record;
    NOKV_TRY(Reserve(std::move(payload), stream, &place, &record));
    NOKV_TRY(WriteReserved(place, record));
    appended_.push_back(std::move(record));
    return Status::Ok();
  }
  Status Sync() { return log_->SyncThrough(log_->end()); }
  // As the engine closes: everything durable, and the manifest knows where it ends.
  Status CloseCleanly() {
    NOKV_TRY(Sync());
    manifest_.clean_end = log_->end();
    return log_->Close();
  }
  // Closes the files and leaves the rest to chance.
  void Drop() { log_.reset(); }
  Status ReleaseBefore(uint32_t segment) {
    manifest_.first_segment = segment;
    return log_->ReleaseBefore(segment);
  }

  Log* log() { return log_.get(); }
  vfs::FileSystem* fs() { return fs_; }
  TestManifest& manifest() { return manifest_; }
  LogOptions& options() { return options_; }
  void set_announce_error(Status status) { announce_error_ = std::move(status); }
  const ReplayResult& recovered() const { return recovered_; }
  const std::vector<TestRecord>& recovered_records() const { return recovered_records_; }
  const std::vector<TestRecord>& appended() const { return appended_; }

 private:
  vfs::FileSystem* const fs_;
  TestManifest manifest_;
  LogOptions options_;
  Status announce_error_;
  std::unique_ptr<Log> log_;
  ReplayResult recovered_;
  std::vector<TestRecord> recovered_records_;
  std::vector<TestRecord> appended_;
  uint64_t next_word_ = 1;
};

// The bytes of a file, and a file of these bytes in the place of what was there.
inline std::string FileBytes(vfs::FileSystem* fs, const std::string& path) {
  auto bytes = vfs::ReadFile(fs, path, UINT32_MAX);
  EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
  return bytes.ok() ? *bytes : "";
}
inline void SetFileBytes(vfs::FileSystem* fs, const std::string& path, Slice bytes) {
  if (fs->Exists(path)) {
    ASSERT_TRUE(fs->Remove(path).ok());
  }
  auto file = fs->CreateWritable(path, vfs::FileKind::kLog);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_TRUE((*file)->Append(bytes).ok());
  ASSERT_TRUE((*file)->Close().ok());
}
// Changes bytes of a file in place.
inline void OverwriteBytes(vfs::FileSystem* fs,
                           const std::string& path,
                           uint64_t offset,
                           Slice bytes) {
  auto file = fs->OpenLog(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_TRUE((*file)->WriteAt(offset, bytes).ok());
}
inline void FlipBit(vfs::FileSystem* fs, const std::string& path, uint64_t offset, unsigned bit) {
  auto file = fs->OpenLog(path);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  char byte;
  Slice read;
  ASSERT_TRUE((*file)->Read(offset, 1, &byte, &read).ok());
  ASSERT_EQ(read.size(), 1U);
  byte = static_cast<char>(read[0] ^ (1 << bit));
  ASSERT_TRUE((*file)->WriteAt(offset, Slice(&byte, 1)).ok());
}

}  // namespace nokv::wal
