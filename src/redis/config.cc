#include "redis/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <utility>

#include "redis/glob.h"
#include "redis/number.h"

namespace nokv::redis {

namespace {

// A larger hz is taken for this one.
constexpr int64_t kHzMax = 500;

std::vector<std::string> SplitBlanks(Slice text) {
  std::vector<std::string> words;
  size_t i = 0;
  while (i < text.size()) {
    const size_t end = std::min(text.find(' ', i), text.size());
    if (end > i) words.emplace_back(text.substr(i, end - i));
    i = end + 1;
  }
  return words;
}

std::string Join(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// "100", "10k" (1000), "10kb" (1024), "1g", "1gb", "5b"; false if not that or beyond 2^63 - 1.
bool ParseMemory(Slice text, int64_t* bytes) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return false;
  struct Unit {
    std::string_view name;
    int64_t factor;
  };
  static constexpr std::array<Unit, 8> kUnits{{{"", 1},
                                               {"b", 1},
                                               {"k", 1000},
                                               {"kb", 1 << 10},
                                               {"m", 1'000'000},
                                               {"mb", 1 << 20},
                                               {"g", 1'000'000'000},
                                               {"gb", 1 << 30}}};
  const Slice unit = text.substr(digits);
  for (const Unit& known : kUnits) {
    if (!EqualsIgnoringCase(unit, known.name)) continue;
    errno = 0;
    const std::string number(text.substr(0, digits));
    const unsigned long long value = std::strtoull(number.c_str(), nullptr, 10);
    if (errno != 0 || value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return false;
    }
    return !__builtin_mul_overflow(static_cast<int64_t>(value), known.factor, bytes);
  }
  return false;
}

// The letters of notify-keyspace-events in the order CONFIG GET shows them; false if one is unknown.
bool NormalizeEvents(Slice flags, std::string* normal) {
  constexpr std::string_view kClasses = "g$lshzxetd";
  constexpr std::string_view kShown = "g$lshzxetdKEmn";
  const bool all = flags.find('A') != Slice::npos;
  for (const char c : flags) {
    if (c != 'A' && kShown.find(c) == std::string_view::npos) return false;
  }
  const auto has = [&](char c) {
    return flags.find(c) != Slice::npos || (all && kClasses.find(c) != std::string_view::npos);
  };
  if (std::all_of(kClasses.begin(), kClasses.end(), has)) {
    *normal = "A";
  } else {
    for (const char c : kClasses) {
      if (has(c)) *normal += c;
    }
  }
  for (const char c : std::string_view("KEmn")) {
    if (has(c)) *normal += c;
  }
  return true;
}

// Replaces in `current` ("normal h s t slave h s t pubsub h s t") the classes that `value` names.
Result<std::string> MergeOutputLimits(const std::string& current, Slice value) {
  std::vector<std::string> limits = SplitBlanks(current);
  const std::vector<std::string> words = SplitBlanks(value);
  if (words.empty() || words.size() % 4 != 0) {
    return Status::InvalidArgument("Wrong number of arguments in buffer limit configuration.");
  }
  for (size_t i = 0; i < words.size(); i += 4) {
    std::string name = ToLower(words[i]);
    if (name == "replica") name = "slave";
    const auto found = std::find(limits.begin(), limits.end(), name);
    if (found == limits.end()) {
      return Status::InvalidArgument(
          "Invalid client class specified in buffer limit configuration.");
    }
    int64_t hard = 0;
    int64_t soft = 0;
    int64_t seconds = 0;
    if (!ParseMemory(words[i + 1], &hard) || !ParseMemory(words[i + 2], &soft) ||
        !ParseInt64(words[i + 3], &seconds) || seconds < 0) {
      return Status::InvalidArgument(
          "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
    }
    found[1] = std::to_string(hard);
    found[2] = std::to_string(soft);
    found[3] = std::to_string(seconds);
  }
  return Join(limits);
}

Result<std::string> NormalizeSave(Slice value) {
  const std::vector<std::string> words = SplitBlanks(value);
  bool valid = words.size() % 2 == 0;
  for (size_t i = 0; valid && i < words.size(); ++i) {
    int64_t number = 0;
    valid = ParseInt64(words[i], &number) && number >= (i % 2 == 0 ? 1 : 0);
  }
  if (!valid) return Status::InvalidArgument("Invalid save parameters");
  return Join(words);
}

Result<std::string> NormalizeEnum(const Config::Parameter& parameter, Slice value) {
  const std::vector<std::string> words = SplitBlanks(parameter.words);
  std::string known;
  for (const std::string& word : words) {
    if (EqualsIgnoringCase(value, word)) return word;
    known += (known.empty() ? "" : ", ") + word;
  }
  return Status::InvalidArgument("argument(s) must be one of the following: " + known);
}

Result<std::string> NormalizeNumber(const Config::Parameter& parameter, Slice value) {
  using Kind = Config::Kind;
  int64_t number = 0;
  bool percent = false;
  const char* refusal = nullptr;
  switch (parameter.kind) {
    case Kind::kMemory:
      if (!ParseMemory(value, &number)) refusal = "argument must be a memory value";
      break;
    case Kind::kMemoryOrPercent:
      percent = value.size() > 1 && value.ends_with('%') &&
                ParseInt64(value.substr(0, value.size() - 1), &number) && number >= 0;
      if (!percent && !ParseMemory(value, &number)) {
        refusal = "argument must be a memory or percent value";
      }
      break;
    default:
      if (!ParseInt64(value, &number)) refusal = "argument couldn't be parsed into an integer";
  }
  if (refusal != nullptr) return Status::InvalidArgument(refusal);
  if (percent && number > 100) {
    return Status::InvalidArgument("percentage argument must be less or equal to 100");
  }
  if (!percent && (number < parameter.min || number > parameter.max)) {
    return Status::InvalidArgument("argument must be between " + std::to_string(parameter.min) +
                                   " and " + std::to_string(parameter.max) + " inclusive");
  }
  if (parameter.name == "hz") number = std::min(number, kHzMax);
  return std::to_string(number) + (percent ? "%" : "");
}

int64_t ToNumber(Slice text) {
  int64_t value = 0;
  return ParseInt64(text, &value) ? value : 0;
}

Status SetFailure(std::string_view name, std::string_view why) {
  return Status::InvalidArgument("CONFIG SET failed (possibly related to argument '" +
                                 std::string(name) + "') - " + std::string(why));
}

constexpr std::array<std::string_view, 10> kWithEffect{"appendfsync",
                                                       "client-output-buffer-limit",
                                                       "client-query-buffer-limit",
                                                       "maxclients",
                                                       "maxmemory-clients",
                                                       "proto-max-bulk-len",
                                                       "protected-mode",
                                                       "requirepass",
                                                       "tcp-keepalive",
                                                       "timeout"};

}  // namespace

std::string_view SyncPolicyName(SyncPolicy policy) {
  switch (policy) {
    case SyncPolicy::kAlways: return "always";
    case SyncPolicy::kEverySecond: return "everysec";
    case SyncPolicy::kNo: return "no";
  }
  return "";
}

bool ParseSyncPolicy(Slice text, SyncPolicy* policy) {
  for (const SyncPolicy known :
       {SyncPolicy::kAlways, SyncPolicy::kEverySecond, SyncPolicy::kNo}) {
    if (text == SyncPolicyName(known)) {
      *policy = known;
      return true;
    }
  }
  return false;
}

Config::Config() {
  for (const Parameter& parameter : Parameters()) {
    Apply(parameter.name, std::string(parameter.initial));
  }
}

const Config::Parameter* Config::Find(Slice name) {
  for (const Parameter& parameter : Parameters()) {
    if (EqualsIgnoringCase(name, parameter.name)) return &parameter;
    if (!parameter.alias.empty() && EqualsIgnoringCase(name, parameter.alias)) return &parameter;
  }
  return nullptr;
}

bool Config::HasEffect(std::string_view name) {
  return std::find(kWithEffect.begin(), kWithEffect.end(), name) != kWithEffect.end();
}

std::vector<Config::NameValue> Config::Get(std::span<const Slice> patterns) const {
  std::map<std::string, std::string> found;
  for (const Slice pattern : patterns) {
    if (pattern.find_first_of("[*?") == Slice::npos) {
      // The name comes back as it was asked for.
      const Parameter* parameter = Find(pattern);
      if (parameter != nullptr) found[std::string(pattern)] = values_.find(parameter->name)->second;
      continue;
    }
    for (const Parameter& parameter : Parameters()) {
      for (const std::string_view name : {parameter.name, parameter.alias}) {
        if (name.empty() || !GlobMatches(pattern, name, LetterCase::kIgnored)) continue;
        found[std::string(name)] = values_.find(parameter.name)->second;
      }
    }
  }
  std::vector<NameValue> result;
  for (auto& [name, value] : found) result.push_back({name, value});
  return result;
}

Status Config::Set(std::span<const Slice> pairs) {
  struct Change {
    const Parameter* parameter;
    std::string_view name;  // the one of its two that the client used
    std::string value;
  };
  std::vector<Change> changes;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const Slice name = pairs[i];
    const Parameter* parameter = Find(name);
    if (parameter == nullptr) {
      return Status::InvalidArgument("Unknown option or number of arguments for CONFIG SET - '" +
                                     std::string(name) + "'");
    }
    if (parameter->access != Access::kMutable) {
      return SetFailure(name, parameter->access == Access::kImmutable ? "can't set immutable config"
                                                                      : "can't set protected config");
    }
    for (const Change& earlier : changes) {
      if (earlier.parameter == parameter) return SetFailure(name, "duplicate parameter");
    }
    const bool by_alias = !EqualsIgnoringCase(name, parameter->name);
    changes.push_back({parameter, by_alias ? parameter->alias : parameter->name,
                       std::string(pairs[i + 1])});
  }
  for (Change& change : changes) {
    Result<std::string> normal = Normalize(*change.parameter, change.value);
    if (!normal.ok()) return SetFailure(change.name, normal.status().message());
    change.value = std::move(*normal);
  }
  for (const Change& change : changes) Apply(change.parameter->name, change.value);
  return Status::Ok();
}

Status Config::SetAtStart(Slice name, Slice value) {
  const Parameter* parameter = Find(name);
  if (parameter == nullptr) {
    return Status::InvalidArgument("there is no parameter '" + std::string(name) + "'");
  }
  Result<std::string> normal = Normalize(*parameter, value);
  if (!normal.ok()) return normal.status().WithContext(name);
  Apply(parameter->name, *normal);
  return Status::Ok();
}

Result<std::string> Config::Normalize(const Parameter& parameter, Slice value) const {
  switch (parameter.kind) {
    case Kind::kBool:
      if (EqualsIgnoringCase(value, "yes")) return std::string("yes");
      if (EqualsIgnoringCase(value, "no")) return std::string("no");
      return Status::InvalidArgument("argument must be 'yes' or 'no'");
    case Kind::kString:
      return std::string(value);
    case Kind::kEnum:
      return NormalizeEnum(parameter, value);
    case Kind::kSpecial:
      break;
    default:
      return NormalizeNumber(parameter, value);
  }
  if (parameter.name == "save") return NormalizeSave(value);
  if (parameter.name == "client-output-buffer-limit") {
    return MergeOutputLimits(values_.find(parameter.name)->second, value);
  }
  if (parameter.name == "notify-keyspace-events") {
    std::string normal;
    if (NormalizeEvents(value, &normal)) return normal;
    return Status::InvalidArgument("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  }
  return std::string(value);
}

void Config::Apply(std::string_view name, const std::string& value) {
  values_[std::string(name)] = value;
  if (name == "requirepass") settings_.requirepass = value;
  if (name == "protected-mode") settings_.protected_mode = value == "yes";
  if (name == "maxclients") settings_.maxclients = ToNumber(value);
  if (name == "timeout") settings_.timeout_seconds = ToNumber(value);
  if (name == "tcp-keepalive") settings_.tcp_keepalive_seconds = ToNumber(value);
  if (name == "proto-max-bulk-len") settings_.proto_max_bulk_len = ToNumber(value);
  if (name == "client-query-buffer-limit") settings_.query_buffer_max = ToNumber(value);
  if (name == "maxmemory-clients") settings_.clients_memory_max = ToNumber(value);
  if (name == "appendfsync") ParseSyncPolicy(value, &settings_.sync);
  if (name == "client-output-buffer-limit") {
    const std::vector<std::string> words = SplitBlanks(value);
    settings_.output_hard_max = ToNumber(words[1]);
    settings_.output_soft_max = ToNumber(words[2]);
    settings_.output_soft_seconds = ToNumber(words[3]);
  }
}

}  // namespace nokv::redis
