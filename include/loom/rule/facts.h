// What a rule may ask about, and the answers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/ip.h"

namespace loom::rule {

/// What can be known of a request. attributes() says what each is called and means.
enum class Attribute : uint8_t {
    model,
    tags,  // the model's
    endpoint,
    route,
    path,
    method,
    header,  // by name
    query,   // by name
    ip,
    consumer,
    tenant,
    team,
    project,
    tier,
    roles,
    claim,  // by name
    user,
    region,
    stream,
    tools,
    vision,
    json_schema,
    messages,
    prompt_tokens,
    max_tokens,
    task,
    complexity,
    time,
    weekday,
};
inline constexpr uint32_t attribute_count = static_cast<uint32_t>(Attribute::weekday) + 1;

/// What an attribute's value is, and with it what it may be compared with.
enum class Type : uint8_t {
    text,
    number,
    flag,
    list,     // of texts
    address,  // an IP
    clock,    // seconds since midnight
    loose,    // a text that is read as a number or flag where it is compared with one: headers, query parameters
    any,      // whatever a token's issuer put there: text, number, flag or list
};

struct AttributeRow {
    Attribute attribute;
    std::string_view name;
    Type type;
    bool keyed;           // it takes a name: header["x-team"], or header.x-team
    const char* meaning;  // one line, for --keys and its readers
    const char* alias;    // another name, "" for none
};
/// In the order of the enumeration.
[[nodiscard]] std::span<const AttributeRow, attribute_count> attributes() noexcept;

enum class Kind : uint8_t {
    missing,  // nobody has said
    unclear,  // said more than once, or as something that no rule reads: a header that came twice
    text,
    number,  // finite
    flag,
    list,
    address,
};

/// One answer. Views are borrowed for the evaluation.
struct Value {
    Value() noexcept : number(0) {}

    [[nodiscard]] static Value of_text(std::string_view text) noexcept { return Value(text); }
    /// The same, where "" means that nobody has said.
    [[nodiscard]] static Value of_name(std::string_view name) noexcept { return name.empty() ? Value() : Value(name); }
    [[nodiscard]] static Value of_number(double number) noexcept { return Value(number); }
    [[nodiscard]] static Value of_flag(bool flag) noexcept { return Value(flag); }
    [[nodiscard]] static Value of_list(std::span<const std::string_view> list) noexcept { return Value(list); }
    [[nodiscard]] static Value of_address(const IpBytes& address) noexcept { return Value(&address); }
    [[nodiscard]] static Value unclear() noexcept {
        Value value;
        value.kind = Kind::unclear;
        return value;
    }

    Kind kind = Kind::missing;
    union {
        std::string_view text;
        double number;
        bool flag;
        std::span<const std::string_view> list;
        const IpBytes* address;
    };

  private:
    explicit Value(std::string_view one) noexcept : kind(Kind::text), text(one) {}
    explicit Value(double one) noexcept : kind(Kind::number), number(one) {}
    explicit Value(bool one) noexcept : kind(Kind::flag), flag(one) {}
    explicit Value(std::span<const std::string_view> one) noexcept : kind(Kind::list), list(one) {}
    explicit Value(const IpBytes* one) noexcept : kind(Kind::address), address(one) {}
};

/// A request, as rules see it. Asked at most once for each place of a rule that names an attribute, and only for what
/// decides: an answer that costs something may be made when it is asked for.
class Facts {
  public:
    /// name  of a keyed attribute; as in the rule, a header's in lower case. "" of others.
    [[nodiscard]] virtual Value get(Attribute attribute, std::string_view name) const noexcept = 0;

  protected:
    ~Facts() = default;
};

}  // namespace loom::rule
