#include "loom/llm/translate.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <string>

#include "dialect/anthropic.h"
#include "dialect/dialect.h"
#include "dialect/gemini.h"
#include "dialect/seal.h"
#include "loom/llm/error.h"
#include "loom/llm/json_text.h"
#include "loom/llm/text_count.h"
#include "told_state.h"
#include "translation_state.h"

namespace loom::llm {

namespace {

constexpr size_t raw_message_bytes_max = 512;
constexpr const char* bad_escape = "a string of the document holds a broken escape";

constexpr uint32_t choices_max = 128;
constexpr size_t model_bytes_max = 256;

/// What a model wrote, and what its provider counts as written.
void count_texts(const Delta& delta, TextCount& count) noexcept {
    using Kind = Delta::Kind;
    switch (delta.kind) {
        case Kind::text:
        case Kind::refusal:
        case Kind::thinking:
        case Kind::arguments: return count.add(delta.text.empty() ? delta.json : delta.text);
        case Kind::tool_call: return count.add(delta.tool_name);
        default: return;
    }
}

/// count  null: nobody counts.
void note(const Delta& delta, EventFacts& facts, Usage& usage, TextCount* count) {
    using Kind = Delta::Kind;
    if (count != nullptr) count_texts(delta, *count);
    facts.text_bytes += static_cast<uint32_t>(delta.text.size());
    switch (delta.kind) {
        case Kind::text:
        case Kind::refusal:
        case Kind::thinking: facts.has_content |= !delta.text.empty(); break;
        case Kind::image:
        case Kind::redacted_thinking: facts.has_content = true; break;
        case Kind::tool_call:
        case Kind::arguments: facts.has_content = facts.has_tool_call = true; break;
        case Kind::finish:
            facts.finished = true;
            facts.cut_short |= !ends_well(delta.reason);
            break;
        case Kind::error: facts.is_error = true; break;
        case Kind::end: facts.done = true; break;
        default: break;
    }
    if (delta.usage == nullptr) return;
    usage = *delta.usage;
    facts.usage_present = true;
}

/// What a stream has told so far, as far as it matters to whoever may end it.
struct Course {
    uint32_t choice_count = 1;
    std::bitset<choices_max> finished;
    bool is_over = false;              // by its own end, or an error
    std::bitset<choices_max> in_call;  // by choice: a tool's call is not whole
    bool is_plain = true;              // nothing but text, refusals and thoughts

    void note(const Delta& delta) noexcept {
        using Kind = Delta::Kind;
        if (delta.choice < choices_max) choice_count = std::max(choice_count, delta.choice + 1);
        switch (delta.kind) {
            case Kind::tool_call:
            case Kind::arguments:
                set(in_call, delta.choice, true);
                is_plain = false;
                break;
            case Kind::redacted_thinking:
            case Kind::citation:
            case Kind::image: is_plain = false; break;
            case Kind::part_end: set(in_call, delta.choice, false); break;
            case Kind::finish:
                set(in_call, delta.choice, false);
                set(finished, delta.choice, true);
                break;
            case Kind::error:
            case Kind::end: is_over = true; break;
            default: break;
        }
    }
    [[nodiscard]] bool may_stop() const noexcept {
        return !is_over && in_call.none() && finished.count() < choice_count;
    }

  private:
    static void set(std::bitset<choices_max>& bits, uint32_t choice, bool to) noexcept {
        if (choice < choices_max) bits[choice] = to;
    }
};

}  // namespace

TranslateScratch::TranslateScratch() : parts_(std::make_unique<Parts>()) {}
TranslateScratch::~TranslateScratch() = default;

struct Translation::State : TranslationState {
    State(TranslateScratch::Parts& scratch, BlockPool& pool, const TranslateTerms& given)
        : TranslationState(scratch, pool, given),
          memo(kept),
          client(dialect_of(given.client)),
          provider(dialect_of(given.provider)) {}

    Context context() { return TranslationState::context(&memo); }

    Memo memo;
    const Dialect& client;
    const Dialect& provider;
    /// What writes the client's stream: of a told one it outlives this.
    StreamEncoder& client_encoder() {
        auto& one = told != nullptr ? told->encoder : encoder;
        if (one == nullptr) one = client.encoder();
        return *one;
    }

    std::unique_ptr<StreamDecoder> decoder;
    std::unique_ptr<StreamEncoder> encoder;
    ToldStream::State* told = nullptr;
    Course course;
    TextCount* count = nullptr;
    std::string shadow_model;  // of a stream that passes; terms.client_model is a view of it
    bool stands_here = true;   // likewise: it can be gone on with behind its last event
};

namespace {

/// Notes what the deltas of one event say, and hands them to the client's encoder.
class Teller final : public DeltaSink {
  public:
    Teller(StreamEncoder& encoder, ToldStream::State* told, Context& context, ByteBuffer& out, EventFacts& facts,
           Usage& usage, Course& course, TextCount* count) noexcept
        : encoder_(encoder),
          told_(told),
          context_(context),
          out_(out),
          facts_(facts),
          usage_(usage),
          course_(course),
          count_(count) {}
    void on_delta(const Delta& delta) override {
        course_.note(delta);
        if (told_ != nullptr) return tell(delta);
        note(delta, facts_, usage_, count_);
        write(delta);
    }

  private:
    void write(const Delta& delta) { encoder_.write(with_sealed_proof(delta, context_), context_, out_); }

    /// The client's stream may go on with another provider behind this one's, or has begun with one before it.
    void tell(Delta delta) {
        const Usage* const own = delta.usage;
        if (const Text rest = told_->rest_before(delta, context_); !rest.empty()) {
            const Delta text{.kind = Delta::Kind::text, .text = rest};
            note(text, facts_, usage_, count_);
            write(text);
        }
        const bool is_told = told_->take(delta, context_);
        if (is_told || delta.kind == Delta::Kind::error) note(delta, facts_, usage_, count_);
        if (own != nullptr) {
            usage_ = *own;
            facts_.usage_present = true;
        }
        if (is_told) write(delta);
    }

    StreamEncoder& encoder_;
    ToldStream::State* told_;
    Context& context_;
    ByteBuffer& out_;
    EventFacts& facts_;
    Usage& usage_;
    Course& course_;
    TextCount* count_;
};

/// Of a stream that passes: its model's name is the client's.
class Shadow final : public DeltaSink {
  public:
    Shadow(StreamEncoder& encoder, Context& context, ByteBuffer& unused, std::string& model, Course& course) noexcept
        : encoder_(encoder), context_(context), unused_(unused), model_(model), course_(course) {}
    void on_delta(const Delta& delta) override {
        if (delta.kind == Delta::Kind::start && delta.model.size() <= model_bytes_max) {
            model_.clear();  // plain text, as all terms are
            if (!unescape(delta.model, model_)) model_.clear();
        }
        course_.note(delta);
        encoder_.write(delta, context_, unused_);
    }

  private:
    StreamEncoder& encoder_;
    Context& context_;
    ByteBuffer& unused_;
    std::string& model_;
    Course& course_;
};

/// Notes what they say and no more.
class Noter final : public DeltaSink {
  public:
    Noter(EventFacts& facts, Usage& usage, TextCount* count = nullptr) noexcept
        : facts_(facts), usage_(usage), count_(count) {}
    void on_delta(const Delta& delta) override { note(delta, facts_, usage_, count_); }

  private:
    EventFacts& facts_;
    Usage& usage_;
    TextCount* count_;
};

}  // namespace

Translation::Translation(TranslateScratch& scratch, BlockPool& pool, const TranslateTerms& terms)
    : state_(std::make_unique<State>(*scratch.parts_, pool, terms)) {}
Translation::~Translation() = default;
void Translation::count(TextCount& count) noexcept { state_->count = &count; }

Result<void> Translation::request(std::string_view body, ByteBuffer& out) {
    if (const size_t at = find_bad_escape(body); at != body.npos) {
        error_offset_ = static_cast<uint32_t>(at);
        return loom::fail(Errc::bad_message, Side::downstream, bad_escape);
    }
    Context context = state_->context();
    ChatRequest request;
    Result<void> step = state_->client.read_request(body, context, request);
    if (step) {
        request.stream = state_->terms.stream;
        if (const uint64_t cap = state_->terms.max_tokens_cap; cap != 0)
            request.max_tokens = request.max_tokens == 0 ? cap : std::min(request.max_tokens, cap);
        if (state_->told != nullptr && state_->told->seam) state_->told->ask(request, context);
        keep_own_proofs(request, context);
        out.reserve(out.size() + body.size() + body.size() / 4);  // most documents grow a little
        step = state_->provider.write_request(request, context, out);
    }
    error_param_ = context.error_param;
    error_offset_ = context.error_offset;
    state_->finish_call();
    return step;
}

Result<void> Translation::answer(std::string_view body, ByteBuffer& out, Usage& usage) {
    if (find_bad_escape(body) != body.npos) return loom::fail(Errc::bad_message, Side::upstream, bad_escape);
    Context context = state_->context();
    ChatAnswer answer;
    const Result<void> step = state_->provider.read_answer(body, context, answer);
    if (step) {
        usage = answer.usage;
        seal_proofs(answer, context);
        state_->client.write_answer(answer, context, out);
    }
    state_->finish_call();
    return step;
}

void Translation::error(int status, std::string_view body, ByteBuffer& out) {
    Context context = state_->context();
    ErrorAnswer error{.status = status};
    if (find_bad_escape(body) == body.npos)
        state_->provider.read_error(body, context, error);
    else  // no JSON: a page of HTML, say
        error.message = escaped(body.substr(0, utf8_cut(body, raw_message_bytes_max)), state_->call);
    state_->client.write_error(error, context, out);
    state_->finish_call();
}

EventFacts Translation::event(std::string_view name, std::string_view data, ByteBuffer& out, Usage& usage) {
    State& state = *state_;
    if (state.decoder == nullptr) state.decoder = state.provider.decoder();
    if (find_bad_escape(data) != data.npos) return {.malformed = true};
    Context context = state.context();
    EventFacts facts;
    Teller teller(state.client_encoder(), state.told, context, out, facts, usage, state.course, state.count);
    // What is written as it stands goes into lines: data of several lines is a document with line ends.
    facts.malformed = !state.decoder->read(name, one_line(data, state.call), context, teller);
    state.finish_call();
    return facts;
}

bool Translation::end(ByteBuffer& out, Usage& usage) {
    State& state = *state_;
    if (state.decoder == nullptr) return false;
    Context context = state.context();
    EventFacts facts;
    Teller teller(state.client_encoder(), state.told, context, out, facts, usage, state.course, state.count);
    const bool whole = state.decoder->read_end(context, teller);
    state.finish_call();
    return whole;
}

void Translation::fail(std::string_view message, std::string_view type, ByteBuffer& out) {
    State& state = *state_;
    Context context = state.context();
    ErrorAnswer error{.message = escaped(message, state.call), .type = type};
    if (state.told != nullptr && !state.told->error_message.empty()) error.message = state.told->error_message;
    state.client_encoder().write({.kind = Delta::Kind::error, .error = &error}, context, out);
    state.finish_call();
}

void Translation::tell(ToldStream& told) {
    state_->told = told.state_.get();
    if (!told.state_->model.empty()) state_->terms.client_model = told.state_->model;
}

void Translation::follow(std::string_view name, std::string_view data, const EventFacts& facts) {
    State& state = *state_;
    ToldStream::State& told = *state.told;
    if (!told.is_kept) return;
    ByteBuffer made(state.pool);
    Usage unused;
    const EventFacts own = event(name, data, made, unused);
    const bool is_missed = facts.has_content && !own.has_content;
    const bool is_lost = own.malformed != facts.malformed || !state.losses.names().empty();
    const bool is_apart = state.terms.client == Protocol::anthropic && !anthropic::is_in_step(name, data, made.view());
    if (is_missed || is_lost || is_apart) told.is_kept = false;
}

bool Translation::shadow(std::string_view name, std::string_view data) {
    State& state = *state_;
    if (state.decoder == nullptr) state.decoder = state.provider.decoder();
    if (find_bad_escape(data) != data.npos) return false;
    Context context = state.context();
    ByteBuffer unused(state.pool);
    StreamEncoder& encoder = state.client_encoder();
    Shadow shadow(encoder, context, unused, state.shadow_model, state.course);
    const Text line = one_line(data, state.call);
    const bool is_read = state.decoder->read(name, line, context, shadow);
    using Step = StreamEncoder::Step;
    const Step step = line == "[DONE]" ? Step::between : encoder.note_source(line, context);
    state.stands_here = step == Step::here;
    state.finish_call();
    return is_read && step != Step::lost && state.course.is_plain && state.losses.empty();
}

bool Translation::may_stop() const noexcept { return state_->stands_here && state_->course.may_stop(); }

void Translation::stop(const Usage& usage, ByteBuffer& out) {
    State& state = *state_;
    if (state.terms.client_model.empty()) state.terms.client_model = state.shadow_model;
    Context context = state.context();
    EventFacts facts;
    Usage unused;
    const Course before = state.course;
    Teller teller(state.client_encoder(), state.told, context, out, facts, unused, state.course, nullptr);
    teller.on_delta({.kind = Delta::Kind::usage, .usage = &usage});
    for (uint32_t choice = 0; choice < before.choice_count; ++choice)
        if (!before.finished[choice])
            teller.on_delta({.kind = Delta::Kind::finish, .reason = FinishReason::length, .choice = choice});
    teller.on_delta({.kind = Delta::Kind::end});
    state.finish_call();
}

const ArenaList<std::string_view>& Translation::dropped() const noexcept { return state_->losses.names(); }

struct StreamWatch::State : TranslationState {
    State(TranslateScratch::Parts& scratch, BlockPool& pool, Protocol protocol)
        : TranslationState(scratch, pool, {.client = protocol, .provider = protocol}),
          decoder(dialect_of(protocol).decoder()) {}

    std::unique_ptr<StreamDecoder> decoder;
    TextCount* count = nullptr;
};

StreamWatch::StreamWatch(TranslateScratch& scratch, BlockPool& pool, Protocol protocol)
    : state_(std::make_unique<State>(*scratch.parts_, pool, protocol)) {}
StreamWatch::~StreamWatch() = default;
void StreamWatch::count(TextCount& count) noexcept { state_->count = &count; }

EventFacts StreamWatch::event(std::string_view name, std::string_view data, Usage& usage) {
    State& state = *state_;
    Context context = state.context();
    EventFacts facts;
    Noter noter(facts, usage, state.count);
    facts.malformed = !state.decoder->read(name, data, context, noter);
    state.finish_call();
    return facts;
}

bool StreamWatch::end() {
    State& state = *state_;
    Context context = state.context();
    EventFacts facts;
    Usage usage;
    Noter noter(facts, usage);
    const bool whole = state.decoder->read_end(context, noter);
    state.finish_call();
    return whole;
}

bool StreamWatch::answer(std::string_view body, Usage& usage) {
    Context context = state_->context();
    ChatAnswer answer;
    bool read = dialect_of(state_->terms.provider).read_answer(body, context, answer).has_value();
    if (read) usage = answer.usage;
    // Of a long answer (a picture) the relay keeps the end.
    if (!read && state_->terms.provider == Protocol::gemini)
        read = gemini::find_usage(body, state_->scratch.structure, usage);
    state_->finish_call();
    return read;
}

}  // namespace loom::llm
