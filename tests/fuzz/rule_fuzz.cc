// Any bytes as a rule: no crash, no hang, an error that points into the text; and what is a rule keeps the laws of its
// logic, whatever little is known of the request. The input is cut at the first newline: behind it stands what is
// known.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/rule/rule.h"

using namespace loom::rule;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

/// Each attribute is what the bytes say, as far as they go; `hidden` is not known.
class FuzzFacts final : public Facts {
  public:
    FuzzFacts(std::string_view bytes, uint32_t hidden) : bytes_(bytes), hidden_(hidden) {}

    Value get(Attribute attribute, std::string_view name) const noexcept override {
        const auto index = static_cast<uint32_t>(attribute);
        if (index == hidden_ || bytes_.empty()) return {};
        const auto byte = static_cast<uint8_t>(bytes_[(index + name.size()) % bytes_.size()]);
        switch (attributes()[index].type) {
            case Type::number:
            case Type::clock: return Value::of_number(byte);
            case Type::flag: return Value::of_flag((byte & 1) != 0);
            case Type::list: return Value::of_list({&list_, 1});
            case Type::address: return Value::of_address(ip_);
            case Type::any: return byte < 64 ? Value::of_list({&list_, 1}) : Value::of_text(bytes_);
            default: return byte == 0 ? Value::unclear() : Value::of_text(bytes_.substr(0, byte % 16));
        }
    }

  private:
    std::string_view bytes_;
    uint32_t hidden_;
    std::string_view list_ = "admin";
    loom::IpBytes ip_ = *loom::parse_ip("10.1.2.3");
};

Verdict negated(Verdict one) { return static_cast<Verdict>(2 - static_cast<uint8_t>(one)); }

void check_rule(const std::string& text, const Rule& rule, std::string_view known) {
    const Verdict all = rule.evaluate(FuzzFacts(known, attribute_count));
    require(all == rule.evaluate(FuzzFacts(known, attribute_count)));
    if (const auto inverse = Rule::compile("not (" + text + ")"))
        require(inverse->evaluate(FuzzFacts(known, attribute_count)) == negated(all));
    if (const auto both = Rule::compile("(" + text + ") and (" + text + ")"))
        require(both->evaluate(FuzzFacts(known, attribute_count)) == all);
    if (text.find("has") != text.npos) return;
    for (uint32_t hidden = 0; hidden < attribute_count; ++hidden) {
        const Verdict less = rule.evaluate(FuzzFacts(known, hidden));
        require(less == all || less == Verdict::unknown);  // told less it never turns round
        require(less == all || rule.uses().test(hidden));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const size_t cut = std::min(input.find('\n'), input.size());
    const std::string text(input.substr(0, cut));
    const auto rule = Rule::compile(text);
    if (rule) {
        check_rule(text, *rule, input.substr(std::min(cut + 1, input.size())));
        return 0;
    }
    require(!rule.error().empty());
    for (const Fault& fault : rule.error())
        require(fault.column >= 1 && fault.column <= text.size() + 1 && !fault.text.empty());
    return 0;
}
