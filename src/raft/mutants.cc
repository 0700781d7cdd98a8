#include "raft/mutants.h"

#ifdef NOKV_RAFT_MUTANTS
#include <cstdlib>
#include <string_view>
#endif

namespace nokv::raft {

#ifdef NOKV_RAFT_MUTANTS

namespace {

Mutant FromEnvironment() {
  const char* const name = std::getenv("NOKV_RAFT_MUTANT");
  if (name == nullptr) return Mutant::kNone;
#define NOKV_RAFT_MUTANT_CASE(mutant, text) \
  if (std::string_view(name) == #mutant) return Mutant::mutant;
  NOKV_RAFT_MUTANT_LIST(NOKV_RAFT_MUTANT_CASE)
#undef NOKV_RAFT_MUTANT_CASE
  return Mutant::kNone;
}

}  // namespace

bool Mutated(Mutant mutant) {
  static const Mutant active = FromEnvironment();
  return active == mutant;
}

#endif

}  // namespace nokv::raft
