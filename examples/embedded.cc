// Opens a database, writes atomically, reads back, and scans.
#include <nokv/db.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  auto opened = nokv::DB::Open({}, argc > 1 ? argv[1] : "example-data");
  if (!opened.ok()) return std::fprintf(stderr, "%s\n", opened.status().ToString().c_str()), 1;
  nokv::DB& db = **opened;

  nokv::WriteBatch batch;
  batch.Put("greeting", "hello, world");
  batch.Put("answer", "42");
  if (auto s = db.Write({.sync = true}, std::move(batch)); !s.ok()) return 1;

  std::string value;
  if (auto s = db.Get({}, "greeting", &value); !s.ok()) return 1;
  auto it = db.NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    std::printf("%s = %s\n", std::string(it->key()).c_str(), std::string(it->value()).c_str());
  }
  it.reset();  // before the database closes
  return db.Close().ok() ? 0 : 1;
}
