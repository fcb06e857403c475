#include "loom/upstream/client.h"

#include <algorithm>

#include "client_tls.h"
#include "loom/base/list.h"
#include "loom/http/body.h"
#include "loom/http/content_coding.h"
#include "loom/http/head_parser.h"
#include "loom/http/head_writer.h"

namespace loom::upstream {
namespace {

constexpr size_t head_bytes_max = 16 * 1024;  // of an answer
constexpr size_t head_slack_bytes = 256;      // of a request, beside what its texts take
constexpr size_t retry_after_bytes_max = 64;
constexpr uint8_t interim_heads_max = 8;
constexpr uint8_t connect_attempts_max = 4;  // of a host's addresses
constexpr uint8_t stale_attempts_max = 2;    // a pooled connection that had died unseen, and a fresh one

Error upstream_error(Errc code, const char* what) noexcept {
    return {.code = code, .side = Side::upstream, .what = what};
}

}  // namespace

/// One exchange. Handlers note what came; the ready list acts on it, when no byte layer is in the middle of its own.
class Client::Call final : ConnectionUser, io::Runnable, io::Doomed, public ListLink<CallTag> {
  public:
    Call(Client& client, uint64_t number, ClientRequest request, Done done)
        : Runnable(&Call::on_ready),
          Doomed(&Call::free_call),
          number_(number),
          client_(client),
          request_(std::move(request)),
          done_(std::move(done)) {
        answer_.body.text().reserve(client.options_.answer_bytes_max);  // growth would leave copies behind
        head_text_.text().reserve(head_bytes_max);
    }

    [[nodiscard]] uint64_t number() const noexcept { return number_; }
    void begin() noexcept {
        client_.shard_.timers().arm(deadline_, client_.options_.timeout_ms);
        wake();
    }
    void refuse() noexcept {
        fail({.code = Errc::exhausted, .side = Side::internal, .what = "too many exchanges run already"});
    }
    /// Before what it has failed by: that might be tried again, and nobody waits for it.
    void cancel() noexcept {
        if (!whole_) error_ = {.code = Errc::cancelled, .side = Side::internal, .what = "nobody waits for it"};
        wake();
    }

  private:
    struct Deadline : io::Timer {
        explicit Deadline(Call& c) : io::Timer(&Call::on_deadline), call(c) {}
        Call& call;
    };
    static void free_call(io::Doomed& doomed) noexcept { delete &static_cast<Call&>(doomed); }
    static void on_ready(io::Runnable& work) noexcept { static_cast<Call&>(work).step(); }
    static void on_deadline(io::Timer& timer) noexcept {
        Call& call = static_cast<Deadline&>(timer).call;
        call.out_of_time_ = true;
        call.fail(upstream_error(Errc::timed_out, "no whole answer in time"));
    }

    void wake() noexcept { client_.shard_.schedule(*this); }
    void fail(const Error& why) noexcept {
        if (error_.code == Errc::ok && !whole_) error_ = why;
        wake();
    }
    [[nodiscard]] bool decided() const noexcept { return whole_ || error_.code != Errc::ok; }

    /// The exchange from outside: an attempt, its end, and another or the answer's way home.
    void step() noexcept {
        if (draining_) return;  // bytes of the request are the kernel's yet
        if (connection_ == nullptr && !decided()) start_attempt();
        if (!decided()) return;
        let_go();
        if (draining_) return;
        if (!may_try_again()) return finish();
        forget_attempt();
        start_attempt();
        if (decided()) wake();
    }

    [[nodiscard]] std::string_view body() const noexcept {
        return request_.borrowed_body.empty() ? request_.body.view() : request_.borrowed_body;
    }

    void start_attempt() noexcept {
        attempts_ += 1;
        const auto connection = fresh_only_ ? client_.pool_.acquire_fresh(*this) : client_.pool_.acquire(*this);
        if (!connection) return fail(connection.error());
        connection_ = *connection;
        if (connection_->connected()) send();
    }

    void send() noexcept {
        const ClientOptions& options = client_.options_;
        const std::string_view lines = request_.lines.view();
        std::string& text = request_head_.text();
        text.resize(options.authority.size() + request_.target.size() + lines.size() + head_slack_bytes);
        http::HeadWriter head(text.data(), text.size());
        head.request_line(http::method_name(request_.method), request_.target);
        head.header("host", options.authority);
        head.raw("accept: application/json\r\naccept-encoding: identity\r\n");
        head.raw(lines);
        if (request_.method != http::Method::get) head.header("content-length", body().size());
        head.end();
        if (!head.ok()) return fail({.code = Errc::bad_conf, .what = "the request cannot be written as HTTP"});
        text.resize(head.size());
        connection_->sender().add_stable(request_head_.view());
        if (!body().empty()) connection_->sender().add_stable(body());
        connection_->sender().flush();
        sent_ = ever_sent_ = true;
    }

    void on_upstream_connected(Result<void> result) noexcept override {
        if (!result) return fail(result.error());
        if (!decided()) send();
    }
    void on_upstream_bytes(io::BufferLease bytes) noexcept override {
        spoke_ = true;
        if (decided()) {
            in_step_ = false;
            return;
        }
        if (const auto taken = take(bytes.view()); !taken) return fail(taken.error());
        if (whole_) wake();
    }
    void on_upstream_end(Error why) noexcept override {
        in_step_ = false;
        if (decided()) return;
        if (head_read_ && why.code == Errc::closed && reader_.on_eof()) {
            whole_ = true;
            return wake();
        }
        fail(why);
    }
    void on_upstream_sent(net::Sender::State state) noexcept override {
        if (state != net::Sender::State::failed || spoke_) return;  // an early answer says more than a broken send
        Error why = connection_->sender().error();
        why.side = Side::upstream;
        fail(why);
    }
    void on_upstream_closed() noexcept override {
        draining_ = false;
        wake();
    }

    Result<void> take(std::string_view bytes) {
        while (!head_read_ && !bytes.empty()) {
            std::string& text = head_text_.text();
            const size_t before = text.size();
            text.append(bytes.substr(0, head_bytes_max - before));
            const size_t end = LOOM_TRY(scan_.end_of(text));
            if (end == 0 && text.size() == head_bytes_max)
                return std::unexpected(upstream_error(Errc::head_too_large, "the answer's head is larger than 16 KiB"));
            if (end == 0) return {};
            bytes.remove_prefix(end - before);
            LOOM_TRY(read_head(std::string_view(text).substr(0, end)));
            text.clear();
        }
        while (!bytes.empty() && !reader_.done()) {
            const auto step = LOOM_TRY(reader_.next(bytes));
            std::string& body = answer_.body.text();
            if (body.size() + step.payload.size() > client_.options_.answer_bytes_max)
                return std::unexpected(upstream_error(Errc::too_large, "the answer's body is larger than is taken"));
            body.append(step.payload);
            bytes.remove_prefix(step.consumed);
        }
        if (!bytes.empty()) in_step_ = false;
        whole_ = head_read_ && reader_.done();
        return {};
    }

    Result<void> read_head(std::string_view text) {
        auto head = std::make_unique<http::ResponseHead>();
        LOOM_TRY(http::parse_response_head(text, request_.method, *head));
        scan_.reset();
        if (head->is_interim()) {
            interim_heads_ += 1;
            if (head->status != 101 && interim_heads_ <= interim_heads_max) return {};
            return std::unexpected(upstream_error(Errc::bad_message, "an interim answer that nobody asked for"));
        }
        head_read_ = true;
        reader_.start(head->framing, head->content_length, Side::upstream);
        answer_.status = head->status;
        const std::string_view retry_after = head->value_of(http::HeaderId::retry_after);
        if (retry_after.size() <= retry_after_bytes_max) answer_.retry_after = retry_after;
        keep_alive_ = head->keep_alive && head->framing != http::BodyFraming::until_close;
        const auto coding = http::content_coding(head->value_of(http::HeaderId::content_encoding));
        if (coding == http::ContentCoding::identity || reader_.done()) return {};
        return std::unexpected(upstream_error(Errc::unsupported, "the answer is compressed, which was not asked for"));
    }

    void let_go() noexcept {
        if (connection_ == nullptr) return;
        was_reused_ = connection_->reused();
        if (whole_ && keep_alive_ && in_step_ && connection_->sender().idle())
            client_.pool_.give_back(*connection_);
        else
            draining_ = client_.pool_.drop(*connection_, net::Close::abort);
        connection_ = nullptr;
    }

    [[nodiscard]] bool may_try_again() const noexcept {
        if (whole_ || out_of_time_ || error_.code == Errc::cancelled) return false;
        if (!sent_ && error_.retry == Retry::safe)
            return attempts_ < std::min<size_t>(client_.pool_.address_count(), connect_attempts_max);
        const bool died_unseen = error_.code == Errc::closed || error_.code == Errc::reset;
        return died_unseen && was_reused_ && !spoke_ && attempts_ < stale_attempts_max;
    }
    void forget_attempt() noexcept {
        error_ = {};
        sent_ = spoke_ = false;
        fresh_only_ = true;
        scan_.reset();
    }

    void finish() noexcept {
        deadline_.disarm();
        deadline_.unlink();
        ListLink<CallTag>::unlink();
        client_.shard_.free_later(*this);
        if (whole_) return done_(std::move(answer_));
        error_.retry = ever_sent_ ? Retry::never : Retry::safe;
        done_(std::unexpected(error_));
    }

    uint64_t number_;
    Client& client_;
    ClientRequest request_;
    Done done_;
    Connection* connection_ = nullptr;
    Secret request_head_;
    Secret head_text_;  // of the answer, while it comes
    http::HeadScan scan_{Side::upstream};
    http::BodyReader reader_;
    ClientAnswer answer_;
    Error error_;
    Deadline deadline_{*this};
    uint8_t attempts_ = 0;
    uint8_t interim_heads_ = 0;
    bool sent_ = false;
    bool ever_sent_ = false;  // in whichever attempt
    bool spoke_ = false;
    bool head_read_ = false;
    bool whole_ = false;
    bool keep_alive_ = false;
    bool in_step_ = true;
    bool was_reused_ = false;
    bool fresh_only_ = false;
    bool draining_ = false;
    bool out_of_time_ = false;
};

struct Client::Calls {
    List<Call, CallTag> running;
    size_t count = 0;
    uint64_t asked = 0;
};

Client::Client(io::Shard& shard, net::NameService& names, ClientOptions options)
    : shard_(shard),
      options_(std::move(options)),
      tls_(make_client_context(options_.endpoint)),
      plain_(make_client_buffers(options_.endpoint)),
      pool_(shard, names, *this, options_.endpoint, {.context = tls_.get(), .plain = plain_.get()}),
      calls_(std::make_unique<Calls>()) {}

Client::~Client() { LOOM_ASSERT(idle()); }

uint64_t Client::ask(ClientRequest request, Done done) {
    LOOM_ASSERT(!closed_);
    auto counted = [this, done = std::move(done)](Result<ClientAnswer> answer) mutable {
        calls_->count -= 1;
        done(std::move(answer));
    };
    auto* const call = new Call(*this, ++calls_->asked, std::move(request), std::move(counted));
    calls_->running.push_back(*call);
    calls_->count += 1;
    if (calls_->count > options_.exchange_count_max) {
        call->refuse();
        return 0;
    }
    call->begin();
    return call->number();
}

void Client::cancel(uint64_t number) noexcept {
    calls_->running.for_each([number](Call& call) {
        if (call.number() == number) call.cancel();
    });
}

void Client::close() noexcept {
    closed_ = true;
    pool_.retire();
    List<Call, CallTag> ending;
    calls_->running.move_to(ending);
    while (Call* const call = ending.pop_front()) {
        calls_->running.push_back(*call);
        call->cancel();
    }
}

size_t Client::memory_bytes_max(const ClientOptions& options) noexcept {
    const size_t exchange = sizeof(Call) + 2 * head_bytes_max + 2 * options.answer_bytes_max +
                            Connection::block_bytes(options.endpoint.tls) + net::Sender::gather_block_bytes;
    return sizeof(Client) + options.exchange_count_max * exchange + (options.endpoint.tls ? client_tls_bytes_max : 0);
}

bool Client::idle() const noexcept { return calls_->count == 0 && pool_.empty(); }

}  // namespace loom::upstream
