// Facts as a table: what a test says of a request.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/rule/facts.h"

namespace loom::rule {

class FactTable final : public Facts {
  public:
    FactTable& set(Attribute attribute, Value value, std::string_view name = "") {
        values_[{attribute, std::string(name)}] = value;
        return *this;
    }
    FactTable& text(Attribute attribute, std::string_view text, std::string_view name = "") {
        return set(attribute, Value::of_text(strings_.emplace_back(text)), name);
    }
    FactTable& number(Attribute attribute, double number, std::string_view name = "") {
        return set(attribute, Value::of_number(number), name);
    }
    FactTable& flag(Attribute attribute, bool flag, std::string_view name = "") {
        return set(attribute, Value::of_flag(flag), name);
    }
    FactTable& list(Attribute attribute, const std::vector<std::string>& items, std::string_view name = "") {
        auto& views = lists_.emplace_back();
        for (const std::string& item : items) views.push_back(strings_.emplace_back(item));
        return set(attribute, Value::of_list(views), name);
    }
    FactTable& address(std::string_view ip) {
        return set(Attribute::ip, Value::of_address(addresses_.emplace_back(*parse_ip(ip))));
    }
    void forget(Attribute attribute, std::string_view name = "") { values_.erase({attribute, std::string(name)}); }

    [[nodiscard]] Value get(Attribute attribute, std::string_view name) const noexcept override {
        asked_ += 1;
        const auto found = values_.find(std::pair(attribute, name));
        return found == values_.end() ? Value() : found->second;
    }
    [[nodiscard]] int asked() const noexcept { return asked_; }

  private:
    struct Less {
        using is_transparent = void;
        template <class A, class B>
        bool operator()(const A& a, const B& b) const noexcept {
            return std::pair(a.first, std::string_view(a.second)) < std::pair(b.first, std::string_view(b.second));
        }
    };
    std::map<std::pair<Attribute, std::string>, Value, Less> values_;
    std::deque<std::string> strings_;
    std::deque<std::vector<std::string_view>> lists_;
    std::deque<IpBytes> addresses_;
    mutable int asked_ = 0;
};

}  // namespace loom::rule
