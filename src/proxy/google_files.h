// Gemini's files: uploads that go on at an address of their own, which Loom signs, and lists whose pages have tokens.
#pragma once

#include <vector>

#include "loom/http/head_parser.h"
#include "loom/llm/resource_reader.h"
#include "loom/tenant/consumer.h"

namespace loom::proxy {

class Exchange;

/// What an exchange does that asks for them. A way to say it, with nothing of its own.
class GoogleFiles {
  public:
    explicit GoogleFiles(Exchange& exchange) noexcept : x_(exchange) {}

    [[nodiscard]] bool is_upload(const http::RequestHead& head) const noexcept;
    Result<void> admit_upload(const http::RequestHead& head);
    [[nodiscard]] bool passes_field(const http::Header& header) const noexcept;
    /// Whose signature the address of an upload carries; null: it has none that holds.
    [[nodiscard]] const tenant::Consumer* signer(const http::RequestHead& head) const;
    void aim_upload(const http::RequestHead& head);
    Result<void> take_upload_url(std::vector<llm::ResourceName>& made);
    Result<void> deliver_list();
    Result<void> ask_for_page();

  private:
    void write_page();

    Exchange& x_;
};

}  // namespace loom::proxy
