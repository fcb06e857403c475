// Streams of providers, as their decoders read them: lines of `event name<TAB>data`. Whatever comes, a decoder tells a
// stream that an encoder can write: one start, calls that begin in order, arguments of calls that began, one finish,
// and nothing behind the end or an error.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "dialect.h"

using namespace loom;
using namespace loom::llm;

namespace {

constexpr Protocol protocols[] = {Protocol::bedrock, Protocol::cohere};

void require(bool holds) {
    if (!holds) __builtin_trap();
}

class Judge final : public DeltaSink {
  public:
    void on_delta(const Delta& delta) override {
        using Kind = Delta::Kind;
        require(!over_);
        switch (delta.kind) {
            case Kind::start: require(!started_); break;
            case Kind::tool_call: require(delta.tool == call_count_++); break;
            case Kind::arguments: require(delta.tool < call_count_ && has(delta.text) != has(delta.json)); break;
            case Kind::finish: require(!finished_); break;
            case Kind::usage: require(delta.usage != nullptr); break;
            case Kind::error: require(delta.error != nullptr && !delta.error->message.empty()); break;
            case Kind::end: require(finished_); break;
            default: break;
        }
        started_ |= delta.kind == Kind::start;
        finished_ |= delta.kind == Kind::finish;
        over_ = delta.kind == Kind::error || delta.kind == Kind::end;
        ended_ |= delta.kind == Kind::end;
        told_ += 1;
    }
    [[nodiscard]] uint64_t told() const noexcept { return told_; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }

  private:
    uint64_t told_ = 0;
    uint32_t call_count_ = 0;
    bool started_ = false;
    bool finished_ = false;
    bool over_ = false;
    bool ended_ = false;
};

void run(Protocol protocol, std::string_view lines) {
    static Structure structure, nested;
    BlockPool pool;
    Arena kept(pool, 512);
    Losses losses(kept);
    Aliases aliases(kept);
    const TranslateTerms terms;
    const auto decoder = dialect_of(protocol).decoder();
    Judge judge;
    while (!lines.empty()) {
        const std::string_view line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        const size_t tab = std::min(line.find('\t'), line.size());
        Arena call(pool, 2048);
        Context context{.arena = call,
                        .structure = structure,
                        .nested = nested,
                        .losses = losses,
                        .aliases = aliases,
                        .terms = terms};
        const std::string data(line.substr(std::min(tab + 1, line.size())));
        const uint64_t told = judge.told();
        const bool good = decoder->read(line.substr(0, tab), data, context, judge);
        require(good || judge.told() == told);  // of a malformed event nothing is told
    }
    Arena call(pool, 2048);
    Context context{
        .arena = call, .structure = structure, .nested = nested, .losses = losses, .aliases = aliases, .terms = terms};
    require(decoder->read_end(context, judge) == judge.ended());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    run(protocols[data[0] % std::size(protocols)], {reinterpret_cast<const char*>(data) + 1, size - 1});
    return 0;
}
