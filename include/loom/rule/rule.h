// Rules: which requests are meant. A small language, compiled when the conf is read, evaluated on the request's path.
//
//   model matches "gpt-4*" and not stream
//   "finance" in roles && weekday not in ["sat", "sun"] && time >= 08:00 && time < 18:00
//   header.x-team == "legal" and prompt_tokens > 8k
//   claim["department"] == tenant or ip in ["10.0.0.0/8", "fd00::/8"]
//
// A rule joins tests by `and`, `or`, `not` (`&&`, `||`, `!`); `and` binds closer than `or`, parentheses closer than
// both.
//   ==  !=                    texts to the byte, numbers, flags
//   <  <=  >  >=              numbers, and times of day
//   in [..]  not in [..]      one of a list; an address in networks
//   "x" in roles              a member of a list; a text is a list of one
//   contains                  a part of a text; a member of a list, and of a claim, whatever its issuer made of it
//   starts_with  ends_with
//   matches                   a pattern, or one of a list of them: * any characters, ? one, [a-z0-9] [!a] one of these
//   has(claim["x"])           whether anybody has said it
//   stream                    a flag stands for itself
// Texts stand in "" or '', with \" and \\ inside; numbers may end in k, m or %; a time of day is 09:30, in UTC.
//
// What is missing. A test of what nobody has said (no such header, a consumer without a tier), or that cannot be made
// (`> 5` of a text that is no number), is neither yes nor no, but unknown; so is its negation. `and`, `or` and `not`
// are Kleene's: unknown stays where it decides. Who asks says what unknown means: what grants something or selects
// takes known_to_hold(), what denies takes may_hold(). So `tier != "free"` grants nothing to those without a tier, and
// as a denial it meets them; has() asks for what may be missing, and is always yes or no.
//
// Bounds. A rule is at most text_bytes_max long and depth_max deep. It becomes a list of instructions without loops,
// each linear in the texts that it reads: a pattern is an automaton of one machine word, not a regular expression,
// whose time would depend on who wrote it. No allocation and no recursion when it is evaluated.
#pragma once

#include <bitset>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/rule/facts.h"

namespace loom::rule {

inline constexpr size_t text_bytes_max = 4096;
inline constexpr uint32_t depth_max = 32;  // of parentheses and negations
inline constexpr size_t pattern_bytes_max = 63;

/// In this order: `and` is the lesser of two, `or` the greater.
enum class Verdict : uint8_t { no, unknown, yes };

/// What is wrong with a rule, and what to do about it.
struct Fault {
    uint32_t column = 1;  // in characters, from 1
    std::string text;
};

/// The values that an attribute can have at all, where the configuration knows: a rule that names another is a slip.
struct KnownValues {
    Attribute attribute;
    std::vector<std::string_view> values;
};

using AttributeSet = std::bitset<attribute_count>;

/// Immutable; shared by threads.
class Rule {
  public:
    /// Errors  all that can be told at once, in the order of the text: its form, unknown names with the nearest known
    ///         one, and tests that cannot be made.
    [[nodiscard]] static std::expected<Rule, std::vector<Fault>> compile(std::string_view text,
                                                                         std::span<const KnownValues> known = {});
    Rule(Rule&&) noexcept;
    Rule& operator=(Rule&&) noexcept;
    ~Rule();

    [[nodiscard]] Verdict evaluate(const Facts& facts) const noexcept;
    /// For what selects and what grants.
    [[nodiscard]] bool known_to_hold(const Facts& facts) const noexcept { return evaluate(facts) == Verdict::yes; }
    /// For what denies.
    [[nodiscard]] bool may_hold(const Facts& facts) const noexcept { return evaluate(facts) != Verdict::no; }

    /// What it asks for: what no rule asks for need not be found out.
    [[nodiscard]] const AttributeSet& uses() const noexcept;
    /// Of header, query and claim: under which names. They live as long as the rule.
    [[nodiscard]] std::vector<std::string_view> names_of(Attribute attribute) const;

  private:
    struct Program;
    friend class Compiler;
    explicit Rule(std::unique_ptr<const Program> program) noexcept;
    std::unique_ptr<const Program> program_;
};

}  // namespace loom::rule
