// An upload of a file that may be a batch's: nothing in it may name what another tenant has stored.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "batch_lines.h"
#include "body_budget.h"
#include "register_asker.h"

namespace loom::proxy {

class Exchange;

/// Lets the form through as it comes, but for its end, which waits until every line is judged: without it no server has
/// a file. Its exchange refuses what is not the tenant's, in the words that a request with that id would be.
class BatchUpload final : RegisterAsker, BodyHold {
  public:
    BatchUpload(Exchange& exchange, Services& services, std::string_view content_type);

    /// Reads the pieces of one receive and shortens them to what may go on now.
    /// body_whole  they are the last.
    /// Errors  what the upload is refused with; detail() tells where.
    [[nodiscard]] Result<void> read(std::span<std::string_view> pieces, bool body_whole);
    /// Behind the error's text: an id, and its line.
    [[nodiscard]] std::string_view detail() const noexcept { return detail_; }

    /// The client is not read on: ids of what is here are being asked for.
    [[nodiscard]] bool waits() const noexcept { return waits_for_register(); }
    /// The whole form may be at its server.
    [[nodiscard]] bool passed() const noexcept { return passed_; }
    /// What was kept back of it, once it has passed. Copy it before the next call.
    [[nodiscard]] std::string_view end() const noexcept { return end_; }
    void release_end() noexcept { end_.clear(); }

  private:
    [[nodiscard]] Result<void> hold_memory(uint64_t bytes);
    [[nodiscard]] Result<void> judge_form();
    [[nodiscard]] Result<void> ask_for_named();
    void look_at(const store::ResourceAnswer& answer);
    void note_fault(Error why, const BatchLines::Named& named);
    void on_register_answer(Result<store::ResourceAnswer> answer) noexcept override;
    void on_room() noexcept override {}

    Exchange& exchange_;
    BatchLines lines_;
    std::vector<BatchLines::Named> asked_;
    std::string end_;
    std::string detail_;
    Error fault_;  // of the first line that has one; Errc::ok
    uint64_t fault_line_ = 0;
    bool passed_ = false;
};

}  // namespace loom::proxy
