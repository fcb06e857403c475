// What the lines of a form's file name, as the form streams through: a batch is made of requests, one to a line.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/block_pool.h"
#include "loom/http/form_data.h"
#include "loom/llm/resource_reader.h"

namespace loom::proxy {

/// May a file that is uploaded for this be a batch's? Also where that cannot be told.
[[nodiscard]] bool may_mean_batch(std::string_view purpose);

/// Holds one line at most, and nothing of a form that is no batch's. Lines are read before the form's purpose is known,
/// which may stand behind the file: whoever asks purpose() first may pass over all that was found.
class BatchLines {
  public:
    struct Named {
        llm::ResourceName name;
        uint64_t line = 0;  // from 1
    };
    struct Fault {
        Error why;
        uint64_t line = 0;
    };

    /// content_type    of the form.     line_bytes_max   a line is a request, and no larger than one.
    BatchLines(llm::ResourceReader& reader, BlockPool& blocks, std::string_view content_type, uint64_t line_bytes_max);

    /// Reads what came. Returns how much of it stands before the end of the form: all, until that is there. With what
    /// is kept back, no server can take the form for whole.
    /// Errors  bad_message (downstream): no form, or not one that all servers read alike.
    [[nodiscard]] Result<size_t> read(std::string_view bytes);
    [[nodiscard]] bool ended() const noexcept { return form_.ended(); }

    enum class Purpose : uint8_t { unknown, other, batch };
    /// Of a form without one, once it has ended, `other`.
    [[nodiscard]] Purpose purpose() const noexcept;

    /// What the lines have named since the last call, each id once as far as it is remembered.
    [[nodiscard]] std::vector<Named> take_named() noexcept { return std::exchange(named_, {}); }
    [[nodiscard]] size_t named_count() const noexcept { return named_.size(); }
    /// The first line that cannot be read. None behind it is.
    [[nodiscard]] const std::optional<Fault>& fault() const noexcept { return fault_; }
    /// At most, once so many bytes more have been read.
    [[nodiscard]] uint64_t memory_bytes(size_t more_bytes = 0) const noexcept;

    static constexpr size_t remembered_max = 512;  // ids that are not told twice

  private:
    [[nodiscard]] Result<void> begin_part();
    void end_part();
    void take_purpose(std::string_view data);
    void take_lines(std::string_view data);
    void begin_next_line() noexcept;
    void end_line(std::string_view last_piece);
    void read_line(std::string_view line);
    void fail_line(Error why);

    llm::ResourceReader& reader_;
    http::FormReader form_;
    const uint64_t line_bytes_max_;
    ByteBuffer line_;  // the one at hand, as far as it came in earlier pieces
    uint64_t line_number_ = 0;
    bool after_return_ = false;  // a line feed here ends no second line
    bool in_purpose_ = false;
    bool in_field_ = false;     // of one line, as far as is known: it need be no request
    std::optional<Fault> odd_;  // that line
    bool has_purpose_ = false;
    bool purpose_known_ = false;
    std::string purpose_;
    std::vector<Named> named_;
    std::set<std::pair<llm::ResourceKind, std::string>> remembered_;
    std::optional<Fault> fault_;
};

}  // namespace loom::proxy
