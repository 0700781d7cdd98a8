#include "lsm/table_output.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "manifest/file_names.h"

namespace nokv::lsm {

TableOutput::TableOutput(Options options) : options_(std::move(options)) {}

TableOutput::~TableOutput() {
  if (!kept_) Abandon();
}

bool TableOutput::ShouldCut(Slice key) {
  bool at_border = false;
  while (next_border_ < options_.borders.size() && options_.borders[next_border_] <= key) {
    ++next_border_;
    at_border = true;
  }
  const uint64_t bytes = builder_->EstimatedFileBytes();
  return bytes >= options_.file_bytes || (at_border && bytes >= options_.file_bytes / 2);
}

Status TableOutput::Add(const key::Entry& entry, bool at_new_key) {
  if (builder_ && at_new_key && ShouldCut(entry.key)) NOKV_TRY(FinishTable(&entry.key));
  if (!builder_) NOKV_TRY(StartTable());
  return builder_->Add(entry);
}

Status TableOutput::StartTable() {
  number_ = options_.new_file_number();
  const std::string name = manifest::TemporaryFileName(manifest::TableFileName(number_));
  NOKV_ASSIGN_OR_RETURN(file_, options_.fs->CreateWritable(
                                   vfs::JoinPath(options_.directory, name), vfs::FileKind::kTable));
  builder_ = std::make_unique<sst::TableBuilder>(options_.table, number_, options_.database_id,
                                                 file_.get(), options_.blocks.get());
  return Status::Ok();
}

bool TableOutput::TombstonesBefore(const Slice* limit) const {
  if (options_.tombstones == nullptr) return false;
  const size_t i = bounded_below_ ? options_.tombstones->FirstEndingAfter(lower_) : 0;
  return i < options_.tombstones->size() &&
         (limit == nullptr || options_.tombstones->fragment(i).begin < *limit);
}

Status TableOutput::FinishTable(const Slice* limit) {
  if (options_.tombstones != nullptr) {
    const key::RangeTombstones& all = *options_.tombstones;
    for (size_t i = bounded_below_ ? all.FirstEndingAfter(lower_) : 0; i < all.size(); ++i) {
      const auto& fragment = all.fragment(i);
      if (limit != nullptr && fragment.begin >= *limit) break;
      const Slice begin = bounded_below_ ? std::max(fragment.begin, Slice(lower_)) : fragment.begin;
      const Slice end = limit != nullptr ? std::min(fragment.end, *limit) : fragment.end;
      for (size_t s = 0; s < fragment.seq_count; ++s) {
        builder_->AddRangeTombstone({begin, end, fragment.seqs[s]});
      }
    }
  }
  NOKV_ASSIGN_OR_RETURN(const sst::TableProperties properties, builder_->Finish());
  NOKV_TRY(file_->Sync());
  NOKV_TRY(file_->Close());
  bytes_written_ += file_->size();
  const std::string path = vfs::JoinPath(options_.directory, manifest::TableFileName(number_));
  NOKV_TRY(options_.fs->Rename(file_->path(), path));

  manifest::FileMeta meta;
  meta.number = number_;
  meta.bytes = file_->size();
  meta.begin = properties.smallest_key;
  meta.end = properties.end_key;
  meta.smallest_seq = properties.smallest_seq;
  meta.largest_seq = properties.largest_seq;
  meta.entries = properties.entries;
  meta.deletes = properties.deletes;
  meta.range_deletes = properties.range_deletes;
  meta.min_expires_at = properties.min_expires_at;
  meta.max_expires_at = properties.max_expires_at;
  meta.expiring_entries = properties.expiring_entries;
  meta.created_at_ms = options_.now_millis;
  meta.raw_bytes = properties.raw_key_bytes + properties.raw_value_bytes;
  NOKV_CHECK(finished_.empty() || finished_.back().end <= meta.begin);
  finished_.push_back(std::move(meta));
  builder_.reset();
  file_.reset();
  if (limit != nullptr) {
    lower_.assign(*limit);
    bounded_below_ = true;
  }
  return Status::Ok();
}

Result<std::vector<manifest::FileMeta>> TableOutput::Finish() {
  if (!builder_ && TombstonesBefore(nullptr)) NOKV_TRY(StartTable());
  if (builder_) NOKV_TRY(FinishTable(nullptr));
  if (!finished_.empty()) NOKV_TRY(options_.fs->SyncDirectory(options_.directory));
  return finished_;
}

void TableOutput::Abandon() {
  // A file that cannot be removed here is found unreferenced, and removed, by the next open.
  if (file_) {
    builder_.reset();
    const std::string path = file_->path();
    file_.reset();
    options_.fs->Remove(path).IgnoreError();
    options_.fs->Remove(vfs::JoinPath(options_.directory, manifest::TableFileName(number_)))
        .IgnoreError();
  }
  for (const manifest::FileMeta& meta : finished_) {
    options_.fs->Remove(vfs::JoinPath(options_.directory, manifest::TableFileName(meta.number)))
        .IgnoreError();
  }
}

}  // namespace nokv::lsm
