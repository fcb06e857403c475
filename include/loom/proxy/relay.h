// The way of an answer's bytes from its source to the client: one path, whatever happens on it.
//
// Received bytes are walked (framing → events → what they say) and go on as they came. Where an event must change or
// vanish, the untouched pieces around it are spliced and framed anew: passthrough is the case of no edits. An event is
// passed on when it is whole, never a part of one, so the client always stands at the border of an event, where an
// error event of ours may follow.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/http/body.h"
#include "loom/http/content_coding.h"
#include "loom/http/event_stream.h"
#include "loom/http/sse.h"
#include "loom/io/shard.h"
#include "loom/llm/edits.h"
#include "loom/llm/request.h"
#include "loom/llm/stream_reader.h"
#include "loom/llm/text_count.h"
#include "loom/llm/told_stream.h"
#include "loom/llm/translate.h"
#include "loom/llm/usage.h"
#include "loom/net/sender.h"
#include "loom/proxy/held_start.h"

namespace loom::proxy {

/// What an observer wants done with an event.
enum class Verdict : uint8_t {
    pass,
    drop,
    edit,     // the edits apply to the whole event's bytes
    suspend,  // not decided yet: nothing goes on until Relay::resume(), which asks again
};

struct EventView {
    std::string_view bytes;  // the whole event with its blank line
    std::string_view data;   // empty when it has none
    uint32_t data_offset;    // of `data` in `bytes`; only when data_in_place
    bool data_in_place;
    llm::EventFacts facts;
};

/// Looks at each event of a stream in turn, in its client's words, and may change what the client gets.
class EventObserver {
  public:
    virtual ~EventObserver() = default;
    /// `edits` is empty; replacements stay put until the next call.
    virtual Verdict on_event(const EventView& event, llm::Edits& edits) = 0;
    /// Before what ends the stream (the source's end, in order or not): bytes of whole events to be put there, or
    /// empty.
    virtual std::string_view on_end() = 0;
};

/// Changes what the client is told of a stream: each event in the client's protocol, whoever has written it, and what
/// is said where it ends.
class EventGuard {
  public:
    enum class Step : uint8_t {
        as_it_came,
        changed,  // what was appended goes in its place
        refused,  // nobody can say what it says: the stream ends with an error
    };
    [[nodiscard]] virtual Step on_event(std::string_view event, ByteBuffer& out) = 0;
    /// No event follows but one that says that the stream is broken.
    virtual void on_end(ByteBuffer& out) = 0;
    /// The answer is to end, as one that a filter has ended: it says so itself, once it ends.
    [[nodiscard]] virtual bool blocks_answer() const noexcept = 0;

  protected:
    ~EventGuard() = default;
};

/// Hears what the client is told of an answer, in the order in which it is, without framing; what waits in the relay
/// (RelayOptions::hold) is told too, before it leaves. Only listens.
class PayloadTap {
  public:
    virtual void on_payload(std::string_view bytes) noexcept = 0;
    /// Of each event that was understood.
    virtual void on_event(const llm::EventFacts& facts) noexcept = 0;

  protected:
    ~PayloadTap() = default;
};

/// Who owns a relay. Called from the loop.
class RelayOwner {
  public:
    virtual void pause_source() noexcept = 0;
    virtual void resume_source() noexcept = 0;
    /// The source has brought its first content, which may still wait here (RelayOptions::hold).
    virtual void on_content_came() noexcept = 0;
    /// What was held is about to be given. Until this returns another may become the client (Relay::send_to).
    virtual void claim_client() noexcept {}
    /// The first bytes of the answer's content are on their way to the client: from here nothing can be taken back.
    virtual void on_first_content() noexcept = 0;
    /// An event has passed (to push the inter-event deadline back). May call stop_here().
    virtual void on_event_passed() noexcept = 0;
    /// The stream is stopped: what its client is told that it took.
    virtual llm::Usage stop_usage() noexcept { return {}; }
    /// The last byte is on its way, or the relay cannot go on: `ended()` tells.
    virtual void on_relay_end() noexcept = 0;

  protected:
    ~RelayOwner() = default;
};

/// How the answer is framed towards the client.
enum class ClientFraming : uint8_t { none, length, chunked, until_close };

struct RelayOptions {
    http::BodyFraming source_framing = http::BodyFraming::none;
    uint64_t source_length = 0;
    ClientFraming client_framing = ClientFraming::none;
    http::ContentCoding coding = http::ContentCoding::identity;  // to be taken off
    bool event_stream = false;
    bool frames = false;                   // the events are AWS's frames; only where they are translated
    bool read_usage = false;               // of a whole JSON answer
    bool counts_text = false;              // of a stream: somebody asks for seen_tokens()
    llm::TextCount* text_count = nullptr;  // what those are beside events; its reader adds to it
    bool strip_usage = false;              // the usage chunk that Loom asked for and the client did not
    uint64_t flush_interval_ms = 0;
    uint32_t buffer_bytes_max = 256 * 1024;
    uint32_t event_bytes_max = 1024 * 1024;
    HoldTerms hold;  // of the start, from add_head on
    EventObserver* observer = nullptr;
    EventGuard* guard = nullptr;                                 // behind the observer and the translation
    llm::Protocol client_protocol = llm::Protocol::openai_chat;  // of an error event
    llm::Translation* translation = nullptr;  // the source's events are of another protocol than the client's
    llm::StreamWatch* watch = nullptr;        // they are of the same, which is not openai_chat
    llm::ToldStream* told = nullptr;          // another source may go on with the stream where this one breaks
    llm::Translation* follower = nullptr;     // of what is told, where it passes as it came
    llm::Translation* shadow = nullptr;       // of a stream that passes as it came, and may be stopped
    PayloadTap* tap = nullptr;
};

class Relay final : HeldStart::Owner {
  public:
    /// How a relay ended.
    enum class End : uint8_t {
        open,
        whole,        // the client has, or will have, all of it
        broken,       // the source broke; the client was told by an error event
        cut,          // the source broke behind content; the client was told nothing, for another may go on (told)
        unfinished,   // the source broke, and only the end of the connection can tell the client
        client_lost,  // sending failed
        stopped,      // by us, in order: for the client the answer is whole, and short
    };

    Relay(io::Shard& shard, net::Sender& client, llm::StreamReader& stream_reader, llm::UsageReader& usage_reader,
          RelayOwner& owner);
    ~Relay();

    static constexpr size_t collected_bytes_max = 64 * 1024;  // of a JSON answer in several reads; usage ends it

    void begin(const RelayOptions& options);
    /// Another client than the one that it was made for. Only as long as that one was given nothing.
    void send_to(net::Sender& client) noexcept { client_ = &client; }
    /// A head of ours, in front of everything. hold  it waits for the content (options.hold).
    void add_head(std::string_view head, bool hold = false);

    /// Bytes with the source's framing. Returns how many belonged to the answer; the rest is out of step.
    size_t on_source_bytes(io::BufferLease lease);
    /// The same out of memory that is gone after the call.
    size_t on_source_copy(std::string_view bytes);
    /// The source's connection ended. Regular only where that ends the body.
    void on_source_end(const Error& why);
    /// A timeout or a refusal of the guard cuts the stream: the client is told.
    void fail(const Error& why);
    /// From on_event_passed: behind the event at hand the stream ends as one whose model has reached its max_tokens.
    /// Nothing where the stream has ended by itself, or where no translation knows how (options: translation, shadow;
    /// Translation::may_stop): then it goes on, and may be asked again.
    void stop_here(const Error& why) noexcept;
    /// An observer that had suspended the stream knows now.
    void resume();
    /// A comment at an event's border (`: keep-alive`); nothing when the stream is elsewhere.
    void add_comment(std::string_view comment);
    /// The client took some of what was sent; or it never will.
    void on_client_progress();
    void on_client_failed(const Error& why);

    /// Not one byte has been given to the client yet: the answer's head and its start wait (options.hold). When it ends
    /// like this other than whole, nothing is told: it never was an answer.
    [[nodiscard]] bool holding() const noexcept { return start_.holding(); }
    /// When the source brought its first content, by the shard's clock; 0: it has not.
    [[nodiscard]] uint64_t content_came_ns() const noexcept { return content_came_ns_; }
    /// A stream's head goes to the client all the same, since it was kept waiting for long; events still wait. False of
    /// any other answer, whose head says what follows it.
    bool give_head();

    [[nodiscard]] bool source_done() const noexcept { return body_.done(); }
    [[nodiscard]] End end() const noexcept { return end_; }
    [[nodiscard]] bool ended() const noexcept { return end_ != End::open; }
    /// Ended, and nothing of it waits in Loom any more.
    [[nodiscard]] bool delivered() const noexcept { return ended() && client_->idle(); }
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    /// The upstream itself said in its stream that it failed, however orderly its bytes ended.
    [[nodiscard]] bool error_told() const noexcept { return error_told_; }
    [[nodiscard]] const llm::Usage& usage() const noexcept { return usage_; }
    [[nodiscard]] uint32_t event_count() const noexcept { return event_count_; }
    /// Of a stream's answer, as far as it has passed. Where nobody can count them: a token for each event at least,
    /// and as many as its text is estimated to be (options.text_count).
    [[nodiscard]] uint64_t seen_tokens() const noexcept {
        const llm::TextCount* const count = options_.text_count;
        const uint64_t tokens = count != nullptr ? count->tokens() : 0;
        return tokens != 0 && count->counts() ? tokens : std::max<uint64_t>(event_count_, tokens);
    }
    /// seen_tokens() is what its model's own tokenizer has counted, and nothing of it a guess.
    [[nodiscard]] bool seen_counted() const noexcept {
        const llm::TextCount* const count = options_.text_count;
        return count != nullptr && count->is_exact() && (count->tokens() != 0 || event_count_ == 0);
    }
    [[nodiscard]] uint64_t payload_bytes() const noexcept { return payload_bytes_; }
    [[nodiscard]] bool stalled() const noexcept { return source_paused_; }
    /// The framing itself shows the client that bytes are missing (RFC 9112, 8), so that an end in order tells enough.
    /// Where only the closing ends a body, a FIN would make a part look whole.
    [[nodiscard]] bool shows_cut() const noexcept { return options_.client_framing != ClientFraming::until_close; }

  private:
    static constexpr size_t pieces_max = 40;
    static constexpr size_t payloads_max = 32;  // of one walk: fewer, so that what nobody changed is not framed early
    enum class Origin : uint8_t {
        leased,   // in a lease that the sender will keep
        passing,  // gone after the call: copied
    };
    /// What one read puts out, before it is framed.
    struct Output {
        std::array<std::string_view, pieces_max> pieces;
        uint32_t count = 0;
        uint64_t bytes = 0;
        Origin origin;
    };
    struct Flush : io::Runnable {
        explicit Flush(Relay& r) : Runnable(&Relay::on_flush), relay(r) {}
        Relay& relay;
    };
    struct FlushTimer : io::Timer {
        explicit FlushTimer(Relay& r) : Timer(&Relay::on_flush_timer), relay(r) {}
        Relay& relay;
    };
    static void on_flush(io::Runnable& work) noexcept;
    static void on_flush_timer(io::Timer& timer) noexcept;

    size_t take(std::string_view raw, Origin origin);
    [[nodiscard]] bool may_pass_raw() const noexcept;
    void take_payload(Output& output, std::string_view payload);
    void take_inflated(Output& output, std::string_view coded);
    void unpack(Output& output, std::string_view coded);
    void go_on_unpacking();
    void take_end_that_waited();
    [[nodiscard]] bool waits() const noexcept { return suspended_ || unpack_waits_; }
    void take_events(Output& output, std::string_view payload);
    void hold_front(Output& output, std::string_view part);
    Verdict judge(std::string_view event, llm::Edits& edits);
    [[nodiscard]] bool cuts_at(const llm::EventFacts& facts, const http::SseEvent& event);
    void cut_there(Output& output);
    [[nodiscard]] bool may_be_cut() const noexcept;
    [[nodiscard]] size_t next_event_end(std::string_view payload) noexcept;
    [[nodiscard]] bool parse(std::string_view event, http::SseEvent& parsed);
    [[nodiscard]] llm::EventFacts read_facts(const http::SseEvent& event);
    void note(const llm::EventFacts& facts);
    void count_texts(std::string_view data);
    void put_translated(Output& output, std::string_view event);
    [[nodiscard]] bool end_translation(Output& output);
    void stop(Output& output, std::string_view run);
    void put_event(Output& output, std::string_view event, std::string_view& run);
    void put_held_event(Output& output, std::string_view end);
    void put_guarded(Output& output, std::string_view events);
    void put_guards_end(Output& output);
    [[nodiscard]] bool guard_changes(Output& output, std::string_view event, std::string_view& run);
    void obey_guard(Output& output, EventGuard::Step step);
    void put_edited(Output& output, std::string_view event, const llm::Edits& edits);
    void suspend_at(Output& output, std::string_view event, std::string_view rest);
    void put(Output& output, std::string_view bytes);
    void frame(Output& output);
    void tap(const Output& output) noexcept;
    void put_made(Output& output, std::string_view bytes);
    void collect(std::string_view payload);
    void read_usage();
    void read_usage_of(std::string_view answer);
    void emit(std::string_view bytes, Origin origin);
    [[nodiscard]] bool holds_done() const;
    void finish_source();
    void tell_broken();
    void end_with(End end);
    void schedule_flush();
    void note_content(const llm::EventFacts& facts);
    void note_came();
    void give_start();
    void give_held();
    void on_hold_over() noexcept override { give_start(); }
    [[nodiscard]] const char* fault_at_start(const llm::EventFacts& facts, const http::SseEvent& event) const noexcept;

    io::Shard& shard_;
    net::Sender* client_;
    llm::StreamReader& stream_reader_;
    llm::UsageReader& usage_reader_;
    RelayOwner& owner_;
    RelayOptions options_;
    http::BodyReader body_;
    http::SseSplitter splitter_;
    http::FrameSplitter frames_;
    ByteBuffer held_;       // the front of an event that is not whole yet
    ByteBuffer backlog_;    // payload that waits for an observer's verdict
    ByteBuffer coded_;      // while unpack_waits_: what is not decoded yet
    ByteBuffer collected_;  // a JSON answer that came in several reads; in a stream, scratch for joined data lines
    std::unique_ptr<http::Inflater> inflater_;
    std::unique_ptr<llm::EventFacts> suspended_facts_;  // of the event that the stream stands at
    llm::Usage usage_;
    Error error_;
    const char* cut_ = nullptr;  // what is wrong with the event at hand, in front of which the stream is cut
    Flush flush_{*this};
    FlushTimer flush_timer_{*this};
    HeldStart start_;
    uint64_t payload_bytes_ = 0;
    uint64_t content_came_ns_ = 0;
    uint32_t event_count_ = 0;
    End end_ = End::open;
    bool changed_ = false;  // this read's output differs from its input
    bool source_paused_ = false;
    bool suspended_ = false;
    bool unpack_waits_ = false;    // for the client: coded_, and what the decoder has ready, come later
    bool start_given_ = false;     // or nothing of it ever waited
    bool done_seen_ = false;       // `[DONE]`, or what is its like in the source's protocol
    bool error_told_ = false;      // by the source, in an event
    bool oversize_event_ = false;  // an event too long to hold passes in parts
    bool source_over_ = false;     // the source has ended (error_: how); what it left may wait for a verdict
    bool usage_told_ = false;      // all of the answer is
    bool stops_ = false;           // behind the event at hand; error_: why
    bool terminated_ = false;      // the source's own last chunk went to the client
};

}  // namespace loom::proxy
