// What an exchange holds that asks for a realtime session: the two handshakes, then the session and what it was read to
// have used.
#pragma once

#include <optional>
#include <string>

#include "loom/base/crypto.h"
#include "loom/http/head_writer.h"
#include "loom/http/message.h"
#include "loom/http/websocket_handshake.h"
#include "loom/llm/realtime.h"
#include "realtime_echo.h"
#include "websocket_session.h"

namespace loom::proxy {

class Exchange;

/// The key that browsers, which cannot set a header, send as a subprotocol: `openai-insecure-api-key.KEY`. Empty where
/// there is none.
[[nodiscard]] std::string_view websocket_key_of(const http::RequestHead& head) noexcept;

class Realtime final : MessageReader, WebSocketOwner {
  public:
    Realtime(Exchange& exchange, const http::RequestHead& head, std::string_view client_key);

    bool transcribes = false;  // intent=transcription
    Sha256 key_hash{};         // of the consumer's key, where one was asked for

    /// For the upstream, with a key of its own for each attempt.
    void write_request_lines(http::HeadWriter& head);
    [[nodiscard]] size_t request_lines_bytes() const noexcept { return lines_bytes + offered_.size(); }
    /// The upstream has answered 101. What it chose to speak, as the client is to be told.
    [[nodiscard]] Result<std::string_view> check_answer(const http::ResponseHead& head) const;
    /// What to speak where nobody chooses; "" where it was not offered.
    [[nodiscard]] std::string_view default_protocol() const noexcept;
    [[nodiscard]] std::string_view accept() const noexcept { return {accept_.data(), accept_.size()}; }

    /// Between the client and the exchange's upstream; without one, the embedded model.
    void begin(const WebSocketTerms& terms, size_t event_bytes_max);
    [[nodiscard]] bool begun() const noexcept { return session_.has_value(); }
    [[nodiscard]] bool ended() const noexcept { return begun() && session_->ended(); }
    [[nodiscard]] WebSocketSession& session() noexcept { return *session_; }
    [[nodiscard]] const WebSocketSession& session() const noexcept { return *session_; }
    void on_client_bytes(std::string_view bytes, io::BufferLease* lease);
    void on_upstream_bytes(io::BufferLease bytes);
    void on_upstream_copy(std::span<char> bytes);

    [[nodiscard]] const llm::Usage& usage() const noexcept { return usage_; }
    /// Of the upstream.
    [[nodiscard]] uint32_t message_count() const noexcept;
    [[nodiscard]] uint64_t upstream_bytes() const noexcept { return upstream_bytes_; }

  private:
    static constexpr size_t lines_bytes = 256;

    Wish look_at_front(std::string_view front) noexcept override;
    void on_message(std::string_view message) override;
    void on_message_too_long() noexcept override;
    void pause_client() noexcept override;
    void resume_client() noexcept override;
    void pause_upstream() noexcept override;
    void resume_upstream() noexcept override;
    void arm_session(uint64_t at_ms) noexcept override;
    void on_session_end() noexcept override;
    friend class RealtimeEcho;
    void count(std::string_view event) noexcept;

    Exchange& exchange_;
    std::string offered_;  // subprotocols that go on
    std::array<char, http::websocket_accept_bytes> accept_;
    std::array<char, http::websocket_accept_bytes> expected_accept_{};
    llm::Usage usage_;
    uint64_t upstream_bytes_ = 0;
    std::optional<MessageCollector> collector_;
    std::optional<WebSocketSession> session_;
    std::optional<RealtimeEcho> echo_;
};

}  // namespace loom::proxy
