// Rows of numbers in text.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace idt {

// Returns the numbers of the text, row after row. Each line that is not blank must hold `columns` decimal numbers
// between white space; else there is no result.
std::optional<std::vector<float>> parse_rows(std::string_view text, std::size_t columns);

}  // namespace idt
