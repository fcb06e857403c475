#include "loom/net/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

#include "loom/net/address.h"
#include "tls_context_impl.h"
#include "tls_hooks.h"
#include "tls_verify.h"

namespace loom::net {
namespace {

constexpr size_t seal_overhead_max = 64;  // header, nonce, tag and padding of one record

/// Walks pieces record by record.
class Gather {
  public:
    explicit Gather(std::span<const iovec> pieces) : pieces_(pieces) { skip_empty(); }

    [[nodiscard]] bool done() const { return at_ == pieces_.size(); }
    /// The next bytes, at most `size` of them: in place when one piece has them all, joined in `scratch` else.
    std::string_view take(size_t size, char* scratch) {
        const std::string_view here = rest();
        if (here.size() >= size || at_ + 1 == pieces_.size()) return advance(std::min(size, here.size()));
        size_t joined = 0;
        while (joined < size && !done()) {
            const std::string_view part = advance(std::min(size - joined, rest().size()));
            std::memcpy(scratch + joined, part.data(), part.size());
            joined += part.size();
        }
        return {scratch, joined};
    }
    /// How many bytes take(size) would give.
    [[nodiscard]] size_t available(size_t size) const {
        size_t bytes = rest().size();
        for (size_t i = at_ + 1; i < pieces_.size() && bytes < size; ++i) bytes += pieces_[i].iov_len;
        return std::min(bytes, size);
    }

  private:
    [[nodiscard]] std::string_view rest() const {
        return {static_cast<const char*>(pieces_[at_].iov_base) + offset_, pieces_[at_].iov_len - offset_};
    }
    std::string_view advance(size_t size) {
        const std::string_view taken = rest().substr(0, size);
        offset_ += size;
        skip_empty();
        return taken;
    }
    void skip_empty() {
        while (at_ < pieces_.size() && offset_ == pieces_[at_].iov_len) {
            at_ += 1;
            offset_ = 0;
        }
    }

    std::span<const iovec> pieces_;
    size_t at_ = 0;
    size_t offset_ = 0;
};

/// The session to go on with; nothing without one. Resuming shows no certificate, so the one of the session's beginning
/// is verified anew: were it refused today, a full handshake finds it renewed or says what is wrong.
bssl::UniquePtr<SSL_SESSION> session_to_resume(TlsContext::Impl& context, const std::string& host, uint16_t port) {
    auto session = context.sessions.take(host, port);
    if (!session || verify_chain(SSL_SESSION_get0_peer_certificates(session.get()), context.trusted(), host).ok())
        return session;
    context.sessions.forget(host, port);
    ERR_clear_error();
    return nullptr;
}

std::string_view or_empty(const char* text) { return text != nullptr ? text : ""; }

}  // namespace

TlsSession::TlsSession(TlsContext& context) noexcept : context_(context) {}

TlsSession::~TlsSession() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    while (first_ != nullptr) {
        TlsBlock* next = first_->next;
        context_.impl().blocks.give_back(first_);
        first_ = next;
    }
}

// ---- start and handshake ----

Result<void> TlsSession::start() {
    LOOM_ASSERT(state_ == State::idle);
    ssl_ = SSL_new(context_.impl().ctx.get());
    BIO* bio = ssl_ != nullptr ? TlsHooks::make_bio(*this) : nullptr;
    if (bio == nullptr) return fail_with(Errc::exhausted, "no memory for a TLS session");
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_shed_handshake_config(ssl_, 1);  // half of a session's memory is of use in the handshake alone
    state_ = State::handshaking;
    return {};
}

Result<void> TlsSession::start_server() {
    LOOM_ASSERT(context_.is_server());
    LOOM_TRY(start());
    SSL_set_accept_state(ssl_);
    return {};
}

Result<void> TlsSession::start_client(std::string_view host, uint16_t port) {
    LOOM_ASSERT(!context_.is_server());
    host_ = canonical_host(host);
    port_ = port;
    LOOM_TRY(start());
    SSL_set_connect_state(ssl_);
    const bool is_name = !Address::parse_ip(host_);
    const bool whole = !host_.empty() && host_.find('\0') == std::string::npos;
    if (!whole || (is_name && SSL_set_tlsext_host_name(ssl_, host_.c_str()) != 1)) {
        return fail_with(Errc::tls_failed, "not a host name");
    }
    if (const auto session = session_to_resume(context_.impl(), host_, port_)) SSL_set_session(ssl_, session.get());
    return drive_handshake();
}

Result<void> TlsSession::drive_handshake() {
    if (!heard_ && context_.is_server() && !input_.empty()) LOOM_TRY(refuse_plain_text());
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
        state_ = State::open;
        return {};
    }
    if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return {};
    if (!context_.is_server()) context_.impl().sessions.forget(host_, port_);
    return fail_by_library(result);
}

/// TLS begins with a record's type, 22 or so; a request line with a capital letter.
Result<void> TlsSession::refuse_plain_text() {
    heard_ = true;
    if (input_.front() < 'A' || input_.front() > 'Z') return {};
    met_plain_http_ = true;
    TlsReason reason = plain_http_reason();
    error_text_ = std::make_unique<std::string>(std::move(reason.text));
    return fail_with(Errc::tls_failed, reason.what);
}

void TlsSession::answer_in_plain(std::string_view bytes) noexcept {
    LOOM_ASSERT(state_ == State::failed && met_plain_http_);
    (void)append(bytes);  // an answer is far below the bound
}

// ---- in ----

Result<TlsSession::Progress> TlsSession::feed(std::string_view ciphertext, std::span<char> plaintext_out) {
    LOOM_ASSERT(state_ != State::idle);
    if (state_ == State::failed) return std::unexpected(error_);
    input_ = ciphertext;
    if (state_ == State::handshaking) LOOM_TRY(drive_handshake());
    Progress progress;
    while (state_ == State::open && !peer_closed_ && progress.plaintext_bytes < plaintext_out.size()) {
        ERR_clear_error();
        const auto room = plaintext_out.subspan(progress.plaintext_bytes);
        const int got = SSL_read(ssl_, room.data(), static_cast<int>(std::min<size_t>(room.size(), INT32_MAX)));
        if (got > 0) {
            progress.plaintext_bytes += static_cast<size_t>(got);
        } else if (read_ended(got, progress)) {
            break;
        }
    }
    return finish_feed(ciphertext.size(), progress);
}

Result<TlsSession::Progress> TlsSession::feed_in_place(std::span<char> bytes) {
    LOOM_ASSERT(state_ != State::idle);
    if (state_ == State::failed) return std::unexpected(error_);
    input_ = {bytes.data(), bytes.size()};
    if (state_ == State::handshaking) LOOM_TRY(drive_handshake());
    Progress progress;
    while (state_ == State::open && !peer_closed_) {
        // Peeking takes a record out of the buffer before its plaintext is written over it.
        char first;
        ERR_clear_error();
        const int peeked = SSL_peek(ssl_, &first, 1);
        if (peeked <= 0 && read_ended(peeked, progress)) break;
        const size_t consumed = bytes.size() - input_.size();
        const auto room = bytes.subspan(progress.plaintext_bytes, consumed - progress.plaintext_bytes);
        if (room.empty()) break;
        const int got = SSL_read(ssl_, room.data(), static_cast<int>(room.size()));
        LOOM_ASSERT(got > 0);  // just seen
        progress.plaintext_bytes += static_cast<size_t>(got);
    }
    return finish_feed(bytes.size(), progress);
}

bool TlsSession::mid_record() const noexcept { return state_ == State::open && SSL_has_pending(ssl_) == 1; }

/// True when there is nothing more to read now: starved, closed, or broken.
bool TlsSession::read_ended(int ssl_result, Progress& progress) {
    switch (SSL_get_error(ssl_, ssl_result)) {
        case SSL_ERROR_WANT_READ: return true;
        case SSL_ERROR_ZERO_RETURN:
            peer_closed_ = true;
            input_ = {};  // bytes behind the end are nobody's
            return true;
        default:
            // What was opened before the fault is delivered first; the next call tells of it.
            (void)fail_by_library(ssl_result);
            progress.more = progress.plaintext_bytes > 0;
            return true;
    }
}

Result<TlsSession::Progress> TlsSession::finish_feed(size_t offered_bytes, Progress progress) {
    progress.consumed_bytes = state_ == State::failed ? offered_bytes : offered_bytes - input_.size();
    input_ = {};
    if (state_ == State::failed && progress.plaintext_bytes == 0) return std::unexpected(error_);
    if (state_ == State::open) progress.more = SSL_pending(ssl_) > 0;
    progress.peer_closed = peer_closed_;
    return progress;
}

Result<void> TlsSession::end_of_input() {
    if (peer_closed_) return {};
    if (state_ == State::failed) return std::unexpected(error_);
    if (state_ == State::open) return fail_with(Errc::closed, "the connection was cut off without TLS close_notify");
    return fail_with(Errc::closed, "the connection ended during the TLS handshake");
}

// ---- out ----

Result<size_t> TlsSession::write(std::string_view plaintext) {
    const iovec piece{const_cast<char*>(plaintext.data()), plaintext.size()};
    return write(std::span(&piece, 1));
}

Result<size_t> TlsSession::write(std::span<const iovec> pieces) {
    LOOM_ASSERT(!close_sent_);
    if (state_ == State::failed) return std::unexpected(error_);
    if (state_ != State::open) return size_t{0};
    auto& scratch = context_.impl().scratch;
    if (!scratch) scratch = std::make_unique_for_overwrite<char[]>(record_bytes_max);
    Gather gather(pieces);
    size_t taken_bytes = 0;
    while (!gather.done()) {
        const size_t size =
            gather.available(sealed_bytes_ < small_records_until ? small_record_bytes : record_bytes_max);
        if (pending_bytes_ + size + seal_overhead_max > pending_max) break;
        const std::string_view record = gather.take(size, scratch.get());
        taken_bytes += LOOM_TRY(seal(record.data(), record.size()));
    }
    return taken_bytes;
}

Result<size_t> TlsSession::seal(const char* bytes, size_t size) {
    ERR_clear_error();
    const int written = SSL_write(ssl_, bytes, static_cast<int>(size));
    if (written <= 0) return fail_by_library(written);
    LOOM_ASSERT(static_cast<size_t>(written) == size);  // one record, and append() takes all
    sealed_bytes_ += size;
    return size;
}

bool TlsSession::append(std::string_view bytes) noexcept {
    if (pending_bytes_ + bytes.size() > pending_handshake_max) return false;
    pending_bytes_ += bytes.size();
    while (!bytes.empty()) {
        if (last_ == nullptr || last_->end == TlsBlock::capacity) {
            TlsBlock* block = context_.impl().blocks.take();
            (last_ == nullptr ? first_ : last_->next) = block;
            last_ = block;
        }
        const size_t copied = bytes.copy(last_->bytes + last_->end, TlsBlock::capacity - last_->end);
        last_->end += static_cast<uint32_t>(copied);
        bytes.remove_prefix(copied);
    }
    return true;
}

std::string_view TlsSession::pending_ciphertext() const noexcept {
    if (first_ == nullptr) return {};
    return {first_->bytes + first_->begin, first_->end - first_->begin};
}

size_t TlsSession::pending_ciphertext(std::span<iovec> pieces) const noexcept {
    size_t count = 0;
    for (TlsBlock* block = first_; block != nullptr && count < pieces.size(); block = block->next) {
        pieces[count++] = {block->bytes + block->begin, block->end - block->begin};
    }
    return count;
}

void TlsSession::consume_ciphertext(size_t bytes) noexcept {
    LOOM_ASSERT(bytes <= pending_bytes_);
    pending_bytes_ -= bytes;
    while (bytes > 0) {
        const size_t here = std::min<size_t>(bytes, first_->end - first_->begin);
        first_->begin += static_cast<uint32_t>(here);
        bytes -= here;
        if (first_->begin < first_->end) return;
        TlsBlock* next = first_->next;
        context_.impl().blocks.give_back(first_);
        first_ = next;
        if (first_ == nullptr) last_ = nullptr;
    }
}

void TlsSession::begin_close() noexcept {
    if (state_ != State::open || close_sent_) return;
    close_sent_ = true;
    ERR_clear_error();
    SSL_shutdown(ssl_);
}

// ---- faults ----

std::unexpected<Error> TlsSession::fail_with(Errc code, const char* what) {
    // In the handshake not one byte of the application was sent.
    const Retry retry = state_ == State::open ? Retry::never : Retry::safe;
    error_ = Error{code, code == Errc::exhausted ? Side::internal : context_.impl().side(), retry, 0, what};
    state_ = State::failed;
    return std::unexpected(error_);
}

std::unexpected<Error> TlsSession::fail_by_library(int) {
    TlsReason reason = take_library_reason(context_.is_server());
    if (error_text_) return fail_with(Errc::tls_failed, error_.what);  // verify() has said more
    error_text_ = std::make_unique<std::string>(std::move(reason.text));
    return fail_with(Errc::tls_failed, reason.what);
}

std::string TlsSession::last_error_text() const {
    if (error_text_) return *error_text_;
    return error_.what;
}

// ---- facts ----

bool TlsSession::resumed() const noexcept { return ssl_ != nullptr && SSL_session_reused(ssl_) == 1; }

std::string_view TlsSession::alpn() const noexcept {
    const uint8_t* name = nullptr;
    unsigned size = 0;
    if (ssl_ != nullptr) SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}

std::string_view TlsSession::server_name() const noexcept {
    return ssl_ == nullptr ? "" : or_empty(SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name));
}

std::string_view TlsSession::version() const noexcept { return ssl_ == nullptr ? "" : or_empty(SSL_get_version(ssl_)); }

std::string_view TlsSession::cipher() const noexcept {
    const SSL_CIPHER* cipher = ssl_ == nullptr ? nullptr : SSL_get_current_cipher(ssl_);
    return cipher == nullptr ? "" : or_empty(SSL_CIPHER_standard_name(cipher));
}

std::optional<TlsPeer> TlsSession::peer() const {
    const auto* chain = ssl_ == nullptr ? nullptr : SSL_get0_peer_certificates(ssl_);
    if (state_ != State::open || chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0) return std::nullopt;
    return describe_peer(sk_CRYPTO_BUFFER_value(chain, 0));
}

}  // namespace loom::net
