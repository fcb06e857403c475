// What the providers' own SDKs call a member, a kind or a word, and what becomes of it in translation.
//
//   DIR/<dialect>.txt   a fact a line: its name (scripts/facts says whence) | a sample | outcomes | why it is ignored
//
// A name that begins with "beyond." is none of the SDK's. One that ends in ".*" stands for all below: they go where the
// fact before the dot goes. The sample is the members of a request that holds the fact between « and »; what any
// request must have is added. It is translated with the fact and without it, for each provider, and the outcome is one
// of
//   carried   the provider's document is another for it
//   a name    which x-loom-dropped has for it alone
//   refused   the request is answered 400
//   moot      it is answered 400 without the fact, too: what the fact belongs to has no place there
//   ignored   nothing shows that it was there: only with a reason, the last column
// A fact of an answer, an event or a provider that is no client has "-" for a sample, and the outcome tells whether the
// dialect's source has a literal of that name: "known", or "unknown", with a reason.
//
//   facts_test DIR SOURCES [--update]   with --update the outcomes are written anew: read the difference before it is
//                                       committed
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

namespace fs = std::filesystem;

bool is_update = false;
fs::path sources;  // the dialects'

/// Models that take what their provider has.
struct Target {
    Protocol provider;
    std::string_view model;
};
constexpr Target targets[] = {
    {Protocol::anthropic, "claude-opus-4-5"},
    {Protocol::bedrock, "anthropic.claude-sonnet-4-5-20250929-v1:0"},
    {Protocol::cohere, "command-a-reasoning-08-2025"},
    {Protocol::gemini, "gemini-3-flash"},
    {Protocol::openai_chat, "gpt-5.2"},
    {Protocol::openai_responses, "gpt-5.2"},
};

struct Fact {
    std::string name;
    std::string sample;
    std::string outcomes;
    std::string reason;
};

std::vector<std::string> split(std::string_view line) {
    std::vector<std::string> fields;
    constexpr std::string_view bar = " | ";
    for (size_t end = 0; end != line.npos; line.remove_prefix(std::min(line.size(), end + bar.size()))) {
        end = line.find(bar);
        fields.emplace_back(line.substr(0, end));
        if (end == line.npos) break;
    }
    fields.resize(4);
    return fields;
}

/// Comments have no sample.
std::vector<Fact> facts_of(const fs::path& path) {
    std::vector<Fact> facts;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        auto fields = split(line);
        facts.push_back({fields[0], fields[1], fields[2], fields[3]});
    }
    return facts;
}

constexpr std::string_view open_mark = "«", close_mark = "»";

/// The sample with the fact, or without.
std::string members_of(std::string_view sample, bool with_fact) {
    std::string members;
    const size_t open = sample.find(open_mark), close = sample.find(close_mark);
    members += sample.substr(0, open);
    if (with_fact) members += sample.substr(open + open_mark.size(), close - open - open_mark.size());
    members += sample.substr(close + close_mark.size());
    return members;
}

bool has_member(std::string_view members, std::string_view key) {
    int depth = 0;
    for (size_t at = 0; at < members.size(); ++at) {
        const char c = members[at];
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        if (c != '"') continue;
        if (depth == 0 && members.substr(at + 1).starts_with(std::string(key) + "\":")) return true;
        for (++at; members[at] != '"'; ++at)
            if (members[at] == '\\') ++at;
    }
    return false;
}

std::string request_of(Protocol client, std::string_view sample, bool with_fact) {
    using Member = std::pair<const char*, const char*>;
    std::vector<Member> base = {{"model", R"("m")"}};
    if (client == Protocol::gemini) base = {{"contents", R"([{"role":"user","parts":[{"text":"Hi"}]}])"}};
    if (client == Protocol::openai_responses) base.emplace_back("input", R"("Hi")");
    if (client == Protocol::openai_completions) base.emplace_back("prompt", R"("Hi")");
    if (client == Protocol::openai_chat || client == Protocol::anthropic)
        base.emplace_back("messages", R"([{"role":"user","content":"Hi"}])");
    if (client == Protocol::anthropic) base.emplace_back("max_tokens", "8000");
    std::string members = members_of(sample, with_fact);
    const std::string given = members;
    for (const auto& [key, value] : base) {
        if (has_member(given, key)) continue;
        if (!members.empty()) members += ",";
        members += std::string("\"") + key + "\":" + value;
    }
    return "{" + members + "}";
}

struct Translated {
    bool refused = false;
    std::string document;
    std::vector<std::string> dropped;
};

Translated translated(Protocol client, const Target& target, const std::string& body) {
    TranslateTerms terms{.client = client, .provider = target.provider, .model = target.model};
    terms.client_model = "m";
    terms.fallback_id = "loom-1";
    terms.stream = body.find(R"("stream":true)") != body.npos;
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation(scratch, pool, terms);
    ByteBuffer out(pool);
    Translated result;
    result.refused = !translation.request(body, out);
    result.document = out.view();
    for (const std::string_view name : translation.dropped()) result.dropped.emplace_back(name);
    return result;
}

std::string outcome_of(const Translated& with, const Translated& without) {
    if (with.refused) return without.refused ? "moot" : "refused";
    std::string outcome;
    for (const std::string& name : with.dropped)
        if (std::ranges::find(without.dropped, name) == without.dropped.end())
            outcome += (outcome.empty() ? "" : ", ") + name;
    const bool differs = with.document != without.document;
    if (outcome.empty()) return differs ? "carried" : "ignored";
    return outcome;
}

/// "anthropic gemini: carried; bedrock: seed", the outcome of the most first.
std::string translations_of(Protocol client, const std::string& sample) {
    std::map<std::string, std::string> providers;
    for (const Target& target : targets) {
        if (target.provider == client) continue;
        const Translated with = translated(client, target, request_of(client, sample, true));
        const Translated without = translated(client, target, request_of(client, sample, false));
        std::string& names = providers[outcome_of(with, without)];
        names += (names.empty() ? "" : " ") + std::string(protocol_name(target.provider));
    }
    if (providers.size() == 1) return "all: " + providers.begin()->first;
    std::string line;
    for (const auto& [outcome, names] : providers) line += (line.empty() ? "" : "; ") + names + ": " + outcome;
    return line;
}

/// All that a dialect's reader and writer are made of.
std::string source_of(std::string_view dialect) {
    std::string text;
    for (const auto& entry : fs::directory_iterator(sources)) {
        if (!entry.path().filename().string().starts_with(dialect)) continue;
        std::ifstream file(entry.path());
        text.append(std::istreambuf_iterator<char>(file), {});
    }
    std::ifstream usage(sources / "../usage.cc");  // which OpenAI's dialects share
    return text.append(std::istreambuf_iterator<char>(usage), {});
}

/// "answer.usage.total" → total; "…=word" → word; "…[one|two]" → one, two.
std::vector<std::string> words_of(std::string_view fact) {
    if (const size_t equals = fact.rfind('='); equals != fact.npos) return {std::string(fact.substr(equals + 1))};
    if (fact.ends_with("[]")) fact.remove_suffix(2);
    if (!fact.ends_with(']')) return {std::string(fact.substr(fact.rfind('.') + 1))};
    std::vector<std::string> words(1);
    for (const char c : fact.substr(fact.rfind('[') + 1)) {
        if (c == ']') break;
        if (c == '|') words.emplace_back();
        if (c != '|') words.back() += c;
    }
    return words;
}

bool is_known(std::string_view fact, std::string_view source) {
    return std::ranges::any_of(words_of(fact), [&](const std::string& word) {
        return source.contains("\"" + word + "\"") || source.contains("\"" + word + "\\\"");
    });
}

class Facts : public testing::Test {
  public:
    Facts(fs::path path, Protocol dialect)
        : path_(std::move(path)), dialect_(dialect), source_(source_of(protocol_name(dialect))) {}
    void TestBody() override {
        auto facts = facts_of(path_);
        ASSERT_FALSE(facts.empty()) << path_;
        ASSERT_FALSE(source_.empty());
        for (Fact& fact : facts) {
            if (fact.sample.empty() || fact.name.ends_with(".*")) continue;
            const std::string outcomes = outcomes_of(fact);
            if (!is_update) {
                EXPECT_EQ(fact.outcomes, outcomes) << fact.name << "\n" << fact.sample;
            }
            const bool is_ignored = outcomes.contains("ignored") || outcomes == "unknown";
            EXPECT_EQ(is_ignored, !fact.reason.empty())
                << fact.name << ": a reason goes with what is ignored, and with nothing else\n"
                << outcomes << "\n"
                << fact.sample;
            fact.outcomes = outcomes;
        }
        if (is_update) write(facts);
    }

  private:
    std::string outcomes_of(const Fact& fact) const {
        if (fact.sample == "-") return is_known(fact.name, source_) ? "known" : "unknown";
        EXPECT_TRUE(fact.sample.contains(open_mark) && fact.sample.contains(close_mark)) << fact.name;
        return translations_of(dialect_, fact.sample);
    }
    void write(const std::vector<Fact>& facts) const {
        std::ofstream file(path_);
        for (const Fact& fact : facts) {
            file << fact.name;
            if (!fact.sample.empty()) file << " | " << fact.sample << " | " << fact.outcomes;
            if (!fact.reason.empty()) file << " | " << fact.reason;
            file << "\n";
        }
    }

    fs::path path_;
    Protocol dialect_;
    std::string source_;
};

}  // namespace
}  // namespace loom::llm

int main(int count, char** arguments) {
    using namespace loom::llm;
    testing::InitGoogleTest(&count, arguments);
    if (count < 3) return 64;
    sources = arguments[2];
    is_update = count > 3 && std::string_view(arguments[3]) == "--update";
    for (uint32_t i = 0; i < protocol_count; ++i) {
        const auto dialect = static_cast<Protocol>(i);
        const std::string name(protocol_name(dialect));
        const fs::path path = fs::path(arguments[1]) / (name + ".txt");
        testing::RegisterTest("Facts", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                              [path, dialect]() -> testing::Test* { return new Facts(path, dialect); });
    }
    return RUN_ALL_TESTS();
}
