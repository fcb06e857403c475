// Random rules, written out in one of their many spellings: what the compiled program says must be what a walk over the
// tree that they were drawn from says.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../sim/random.h"
#include "fact_table.h"
#include "loom/rule/rule.h"

namespace loom::rule {
namespace {

using sim::Random;
using Answer = std::optional<bool>;  // nothing: unknown

constexpr std::array<const char*, 5> words = {"a", "ab", "abc", "b", "xab"};
constexpr std::array<const char*, 6> text_names = {"model", "tier", "tenant", "header.h", "query[\"q\"]", "claim.c"};

constexpr size_t claim = 5;

/// A request in plain types: what the reference looks at.
struct World {
    std::array<std::optional<std::string>, text_names.size()> texts;
    std::optional<double> tokens;
    std::optional<bool> stream;
    std::optional<std::vector<std::string>> roles;

    static World draw(Random& random) {
        World world;
        for (auto& text : world.texts)
            if (random.chance(700)) text = words[random.below(words.size())];
        if (random.chance(300)) world.texts[3] = std::to_string(random.below(5));  // a header may be a number
        if (random.chance(700)) world.tokens = static_cast<double>(random.below(5));
        if (random.chance(700)) world.stream = random.chance(500);
        if (random.chance(700)) {
            world.roles.emplace();
            for (uint64_t n = random.below(3); n > 0; --n) world.roles->push_back(words[random.below(words.size())]);
        }
        return world;
    }

    FactTable facts() const {
        constexpr std::array<std::pair<Attribute, const char*>, text_names.size()> places = {{{Attribute::model, ""},
                                                                                              {Attribute::tier, ""},
                                                                                              {Attribute::tenant, ""},
                                                                                              {Attribute::header, "h"},
                                                                                              {Attribute::query, "q"},
                                                                                              {Attribute::claim, "c"}}};
        FactTable table;
        for (size_t i = 0; i < texts.size(); ++i)
            if (texts[i]) table.text(places[i].first, *texts[i], places[i].second);
        if (tokens) table.number(Attribute::prompt_tokens, *tokens);
        if (stream) table.flag(Attribute::stream, *stream);
        if (roles) table.list(Attribute::roles, *roles);
        return table;
    }
};

struct Tree {
    virtual ~Tree() = default;
    virtual Answer ask(const World& world) const = 0;
    virtual std::string write(Random& random) const = 0;
    virtual bool is_joined() const { return false; }
};
using TreePtr = std::unique_ptr<Tree>;

std::string pick(Random& random, std::initializer_list<const char*> spellings) {
    return *(spellings.begin() + random.below(spellings.size()));
}
std::string blanks(Random& random) { return pick(random, {" ", "  ", "\t", " "}); }
std::string quoted(Random& random, const std::string& text) {
    const std::string quote = pick(random, {"\"", "'"});
    return quote + text + quote;
}

struct Flag final : Tree {
    Answer ask(const World& world) const override { return world.stream; }
    std::string write(Random& random) const override { return pick(random, {"stream", "stream", "stream == true"}); }
};

struct Has final : Tree {
    explicit Has(size_t which) : which(which) {}
    Answer ask(const World& world) const override { return world.texts[which].has_value(); }
    std::string write(Random&) const override { return std::string("has(") + text_names[which] + ")"; }
    size_t which;
};

/// `attribute relation "text"`, or between two attributes.
struct TextTest final : Tree {
    explicit TextTest(Random& random)
        : left(random.below(text_names.size())),
          right(random.below(text_names.size())),
          to_attribute(random.chance(300)),
          relation(random.below(6)),
          word(words[random.below(words.size())]) {}

    Answer ask(const World& world) const override {
        const auto& a = world.texts[left];
        const std::optional<std::string> b = to_attribute ? world.texts[right] : word;
        if (!a || !b) return std::nullopt;
        switch (relation) {
            case 0: return *a == *b;
            case 1: return *a != *b;
            case 2: return a->starts_with(*b);
            case 3: return a->ends_with(*b);
            case 4: return left == claim ? *a == *b : a->find(*b) != a->npos;
            default: return *a == *b;
        }
    }
    std::string write(Random& random) const override {
        constexpr std::array<const char*, 5> spellings = {"==", "!=", "starts_with", "ends_with", "contains"};
        const std::string other = to_attribute ? text_names[right] : quoted(random, word);
        const std::string relation_word = relation < 5 ? spellings[relation] : "==";
        if (relation == 5 && !to_attribute) return other + " == " + text_names[left];  // the other way round
        return text_names[left] + blanks(random) + relation_word + blanks(random) + other;
    }
    size_t left, right;
    bool to_attribute;
    uint64_t relation;
    std::string word;
};

struct ListTest final : Tree {
    explicit ListTest(Random& random) : which(random.below(text_names.size())), negated(random.chance(500)) {
        for (uint64_t n = random.between(1, 4); n > 0; --n) items.push_back(words[random.below(words.size())]);
    }
    Answer ask(const World& world) const override {
        if (!world.texts[which]) return std::nullopt;
        return (std::ranges::find(items, *world.texts[which]) != items.end()) != negated;
    }
    std::string write(Random& random) const override {
        std::string text = std::string(text_names[which]) + (negated ? " not  in [" : " in[");
        for (size_t i = 0; i < items.size(); ++i) text += (i > 0 ? ", " : "") + quoted(random, items[i]);
        return text + "]";
    }
    size_t which;
    bool negated;
    std::vector<std::string> items;
};

struct RoleTest final : Tree {
    explicit RoleTest(Random& random) : word(words[random.below(words.size())]), negated(random.chance(500)) {}
    Answer ask(const World& world) const override {
        if (!world.roles) return std::nullopt;
        return (std::ranges::find(*world.roles, word) != world.roles->end()) != negated;
    }
    std::string write(Random& random) const override {
        if (!negated && random.chance(500)) return "roles contains " + quoted(random, word);
        return quoted(random, word) + (negated ? " not in " : " in ") + pick(random, {"roles", "role"});
    }
    std::string word;
    bool negated;
};

struct NumberTest final : Tree {
    explicit NumberTest(Random& random)
        : of_header(random.chance(400)), relation(random.below(6)), bound(static_cast<double>(random.below(5))) {}
    Answer ask(const World& world) const override {
        std::optional<double> value = world.tokens;
        if (of_header) {
            const auto& text = world.texts[3];
            const bool is_number = text && text->size() == 1 && (*text)[0] >= '0' && (*text)[0] <= '9';
            value = is_number ? std::optional<double>((*text)[0] - '0') : std::nullopt;
        }
        if (!value) return std::nullopt;
        switch (relation) {
            case 0: return *value == bound;
            case 1: return *value != bound;
            case 2: return *value < bound;
            case 3: return *value <= bound;
            case 4: return *value > bound;
            default: return *value >= bound;
        }
    }
    std::string write(Random& random) const override {
        constexpr std::array<const char*, 6> relations = {"==", "!=", "<", "<=", ">", ">="};
        constexpr std::array<const char*, 6> turned = {"==", "!=", ">", ">=", "<", "<="};
        const std::string name = of_header ? "header[\"H\"]" : pick(random, {"prompt_tokens", "tokens"});
        const int whole = static_cast<int>(bound);
        const std::string number = random.chance(300) ? std::to_string(whole * 100) + "%" : std::to_string(whole);
        if (random.chance(300)) return number + turned[relation] + name;
        return name + relations[relation] + number;
    }
    bool of_header;
    uint64_t relation;
    double bound;
};

struct Not final : Tree {
    explicit Not(TreePtr one) : one(std::move(one)) {}
    Answer ask(const World& world) const override {
        const Answer answer = one->ask(world);
        return answer ? Answer(!*answer) : std::nullopt;
    }
    std::string write(Random& random) const override {
        const std::string inner = one->write(random);
        if (!one->is_joined() && random.chance(300)) return "not " + inner;
        return pick(random, {"!", "not ", "! "}) + "(" + inner + ")";
    }
    TreePtr one;
};

struct Joined final : Tree {
    Joined(bool all, std::vector<TreePtr> parts) : all(all), parts(std::move(parts)) {}
    Answer ask(const World& world) const override {
        bool any_unknown = false;
        for (const TreePtr& part : parts) {
            const Answer answer = part->ask(world);
            if (answer && *answer != all) return !all;
            any_unknown |= !answer;
        }
        return any_unknown ? std::nullopt : Answer(all);
    }
    std::string write(Random& random) const override {
        std::string text;
        for (size_t i = 0; i < parts.size(); ++i) {
            if (i > 0) text += blanks(random) + (all ? pick(random, {"and", "&&"}) : pick(random, {"or", "||"})) + " ";
            // `a and b` needs no parentheses among `or`s; the other way round it does.
            const auto* const inner = dynamic_cast<const Joined*>(parts[i].get());
            const bool needed = inner != nullptr && !(inner->all && !all);
            const bool wrapped = needed || random.chance(200);
            const std::string part = parts[i]->write(random);
            text += wrapped ? "(" + part + ")" : part;
        }
        return text;
    }
    bool is_joined() const override { return true; }
    bool all;
    std::vector<TreePtr> parts;
};

TreePtr draw(Random& random, int depth) {
    const uint64_t kind = depth == 0 ? random.below(6) : random.below(10);
    switch (kind) {
        case 0: return std::make_unique<Flag>();
        case 1: return std::make_unique<Has>(random.below(text_names.size()));
        case 2: return std::make_unique<TextTest>(random);
        case 3: return std::make_unique<ListTest>(random);
        case 4: return std::make_unique<RoleTest>(random);
        case 5: return std::make_unique<NumberTest>(random);
        case 6: return std::make_unique<Not>(draw(random, depth - 1));
        default: break;
    }
    std::vector<TreePtr> parts;
    for (uint64_t n = random.between(2, 4); n > 0; --n) parts.push_back(draw(random, depth - 1));
    return std::make_unique<Joined>(random.chance(500), std::move(parts));
}

Verdict as_verdict(Answer answer) { return !answer ? Verdict::unknown : *answer ? Verdict::yes : Verdict::no; }

TEST(RuleProperty, TheProgramSaysWhatTheTreeSays) {
    std::array<int, 3> verdicts{};
    int compiled = 0;
    for (uint64_t seed = 1; seed <= 6'000; ++seed) {
        Random random(seed);
        const TreePtr tree = draw(random, 4);
        const std::string text = tree->write(random);
        if (text.size() > text_bytes_max) continue;
        const auto rule = Rule::compile(text);
        ASSERT_TRUE(rule.has_value()) << "seed " << seed << ": " << text << "\n" << rule.error().front().text;
        compiled += 1;
        for (int i = 0; i < 8; ++i) {
            const World world = World::draw(random);
            const Verdict said = rule->evaluate(world.facts());
            ASSERT_EQ(said, as_verdict(tree->ask(world))) << "seed " << seed << ": " << text;
            verdicts[static_cast<size_t>(said)] += 1;
        }
    }
    EXPECT_GT(compiled, 5'500);
    for (const int count : verdicts) EXPECT_GT(count, 5'000) << "each verdict has been seen often";
}

/// What a denial takes for met can only grow with what is not known, and what a grant takes for met can only shrink.
TEST(RuleProperty, ToldLessItNeverTurnsRound) {
    for (uint64_t seed = 1; seed <= 3'000; ++seed) {
        Random random(seed);
        const TreePtr tree = draw(random, 3);
        const std::string text = tree->write(random);
        if (text.find("has(") != text.npos || text.size() > text_bytes_max) continue;
        const Rule rule = *Rule::compile(text);
        World world = World::draw(random);
        const Verdict before = rule.evaluate(world.facts());
        switch (random.below(4)) {
            case 0: world.texts[random.below(text_names.size())].reset(); break;
            case 1: world.tokens.reset(); break;
            case 2: world.stream.reset(); break;
            default: world.roles.reset();
        }
        const Verdict after = rule.evaluate(world.facts());
        ASSERT_TRUE(after == before || after == Verdict::unknown) << "seed " << seed << ": " << text;
    }
}

}  // namespace
}  // namespace loom::rule
