// An answer that is needed whole before its client gets any of it: one that has to be translated.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/http/body.h"
#include "loom/http/content_coding.h"
#include "loom/http/message.h"

namespace loom::proxy {

class CollectedAnswer {
  public:
    /// bytes_max  of the decoded body.
    CollectedAnswer(BlockPool& blocks, uint64_t bytes_max) : lines_(blocks), body_(blocks), bytes_max_(bytes_max) {}

    /// Keeps of the head what its client is told.
    /// tells_limits  its client hears of Loom's own, and so not of the provider's.
    [[nodiscard]] Result<void> begin(const http::ResponseHead& head, bool tells_limits);
    /// Bytes with the upstream's framing.
    /// Errors  bad_message, too_large (upstream).
    [[nodiscard]] Result<void> take(std::string_view bytes);
    /// The upstream's connection ended. Regular only where that ends the body.
    [[nodiscard]] Result<void> on_end(const Error& why);

    [[nodiscard]] bool whole() const noexcept { return whole_; }
    /// Nothing came behind it: its connection may be used again.
    [[nodiscard]] bool in_step() const noexcept { return in_step_; }
    [[nodiscard]] int status() const noexcept { return status_; }
    /// Header lines that go on to the client.
    [[nodiscard]] std::string_view lines() const noexcept { return lines_.view(); }
    /// Where an upload goes on that has begun; "" for any other answer.
    [[nodiscard]] std::string_view upload_url() const noexcept { return upload_url_; }
    [[nodiscard]] std::string_view body() const noexcept { return body_.view(); }
    /// What is left of it, where a guard has changed it.
    void change_body(ByteBuffer body) noexcept { body_ = std::move(body); }
    [[nodiscard]] size_t memory_bytes() const noexcept { return body_.capacity(); }

  private:
    [[nodiscard]] Result<void> put(std::string_view payload);
    [[nodiscard]] Result<void> keep(std::string_view plain);
    [[nodiscard]] Result<void> finish();

    ByteBuffer lines_;
    ByteBuffer body_;
    http::BodyReader reader_;
    std::unique_ptr<http::Inflater> inflater_;
    uint64_t bytes_max_;
    std::string upload_url_;
    int status_ = 0;
    bool whole_ = false;
    bool in_step_ = true;
};

}  // namespace loom::proxy
