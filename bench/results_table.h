#pragma once

// The table that a campaign ends with.

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace nokv::bench {

// Medians of the runs, and ratios of throughput to `baseline`, on standard output.
void PrintResultsTable(const nlohmann::ordered_json& document, const std::string& baseline);

}  // namespace nokv::bench
