#include "cli/cmd_data.h"

#include <cstdio>
#include <memory>
#include <utility>

#include "nokv/db.h"

#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/text.h"

namespace nokv::cli {

namespace {

struct Opened {
  std::unique_ptr<DB> db;
  ColumnFamily* family = nullptr;
};

Result<Opened> OpenFamily(const DataOptions& options, bool read_only) {
  Options open;
  open.read_only = read_only;
  NOKV_ASSIGN_OR_RETURN(auto db, DB::Open(open, options.directory));
  ColumnFamily* const family = db->FindColumnFamily(options.family);
  if (family == nullptr) {
    return Status::InvalidArgument("there is no column family '" + options.family + "'");
  }
  return Opened{std::move(db), family};
}

Status Decode(const DataOptions& options, const std::string& argument, std::string* bytes) {
  if (!options.escaped) {
    *bytes = argument;
    return Status::Ok();
  }
  if (Unescape(argument, bytes)) return Status::Ok();
  return Status::InvalidArgument("'" + argument + "': an escape is \\\\ or \\xXX");
}

void Print(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
}

std::string Shown(const DataOptions& options, Slice bytes) {
  return options.escaped ? Printable(bytes) : std::string(bytes);
}

Status Write(const DataOptions& options, const std::string& key, const std::string* value, const PutOptions& put) {
  std::string key_bytes;
  NOKV_TRY(Decode(options, key, &key_bytes));
  NOKV_ASSIGN_OR_RETURN(const Opened opened, OpenFamily(options, /*read_only=*/false));
  const WriteOptions write{.sync = put.sync, .ttl = put.ttl};
  if (value == nullptr) {
    NOKV_TRY(opened.db->Delete(write, opened.family, key_bytes));
  } else {
    std::string value_bytes;
    NOKV_TRY(Decode(options, *value, &value_bytes));
    NOKV_TRY(opened.db->Put(write, opened.family, key_bytes, value_bytes));
  }
  return opened.db->Close();
}

// *found tells an absent key from an error.
Status Get(const DataOptions& options, const std::string& key, bool* found) {
  std::string key_bytes;
  NOKV_TRY(Decode(options, key, &key_bytes));
  NOKV_ASSIGN_OR_RETURN(const Opened opened, OpenFamily(options, /*read_only=*/true));
  PinnableValue value;
  const Status read = opened.db->Get({}, opened.family, key_bytes, &value);
  *found = !read.IsNotFound();
  if (!*found) return Status::Ok();
  NOKV_TRY(read);
  if (options.json) {
    Print("{\"key\":" + JsonString(key_bytes) + ",\"value\":" + JsonString(value.value()) +
          ",\"expires_at\":" + std::to_string(value.expires_at()) + "}\n");
  } else {
    Print(Shown(options, value.value()) + "\n");
  }
  return Status::Ok();
}

void PrintEntry(const DataOptions& options, const ScanOptions& scan, const Iterator& it) {
  if (options.json) {
    std::string line = "{\"key\":" + JsonString(it.key());
    if (!scan.keys_only) line += ",\"value\":" + JsonString(it.value());
    if (it.expires_at() != 0) line += ",\"expires_at\":" + std::to_string(it.expires_at());
    Print(line + "}\n");
  } else if (scan.keys_only) {
    Print(Shown(options, it.key()) + "\n");
  } else {
    Print(Shown(options, it.key()) + "\t" + Shown(options, it.value()) + "\n");
  }
}

Status Scan(const DataOptions& options, const ScanOptions& scan) {
  std::string from;
  std::string to;
  std::string prefix;
  NOKV_TRY(Decode(options, scan.from, &from));
  NOKV_TRY(Decode(options, scan.to, &to));
  NOKV_TRY(Decode(options, scan.prefix, &prefix));
  NOKV_ASSIGN_OR_RETURN(const Opened opened, OpenFamily(options, /*read_only=*/true));
  ReadOptions read;
  read.lower_bound = from;
  read.upper_bound = to;
  read.prefix = prefix;
  read.keys_only = scan.keys_only || scan.count;
  read.fill_cache = false;
  const auto it = opened.db->NewIterator(read, opened.family);
  uint64_t count = 0;
  for (scan.reverse ? it->SeekToLast() : it->SeekToFirst(); it->Valid() && count < scan.limit;
       scan.reverse ? it->Prev() : it->Next()) {
    ++count;
    if (!scan.count) PrintEntry(options, scan, *it);
  }
  NOKV_TRY(it->status());
  if (scan.count) {
    Print(options.json ? "{\"count\":" + std::to_string(count) + "}\n" : std::to_string(count) + "\n");
  }
  return Status::Ok();
}

}  // namespace

int RunGet(const DataOptions& options, const std::string& key) {
  if (const int code = CheckDatabaseExists(options.directory); code != kOk) return code;
  bool found = false;
  const Status status = Get(options, key, &found);
  if (!status.ok()) return Report(status);
  if (found) return kOk;
  std::fprintf(stderr, "nokv: no such key\n");
  return kNotFound;
}

int RunPut(const DataOptions& options,
           const std::string& key,
           const std::string& value,
           const PutOptions& put) {
  const Status status = Write(options, key, &value, put);
  return status.ok() ? kOk : Report(status);
}

int RunDelete(const DataOptions& options, const std::string& key) {
  if (const int code = CheckDatabaseExists(options.directory); code != kOk) return code;
  const Status status = Write(options, key, nullptr, {});
  return status.ok() ? kOk : Report(status);
}

int RunScan(const DataOptions& options, const ScanOptions& scan) {
  if (const int code = CheckDatabaseExists(options.directory); code != kOk) return code;
  const Status status = Scan(options, scan);
  return status.ok() ? kOk : Report(status);
}

}  // namespace nokv::cli
