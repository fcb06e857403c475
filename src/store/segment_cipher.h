// How a segment of the ledger's log lies on an encrypted disk: record by record, each sealed by itself, so that torn
// ends, gaps of zeros and damage in the middle mean what they mean in a plain one.
//
// A file begins with its header, `magic[8], version u32, zero u32, salt[32], tag[16]`, twice, since without it nothing
// in the file can be read. Behind it are frames `length u32, type u8 (4), version u8, zero u16, tag[16], sealed
// record`, little endian. The key is the file's own, of the vault's, of its name and of its salt, which is drawn when
// it is made; a record's nonce is its place in the file. Nothing is ever written over in a segment but with the same
// bytes, none is appended to after the process that made it has ended, and what a broken one does not take is sealed
// anew for the next: so no nonce is used for two texts. But for a machine whose memory is restored from a snapshot, or
// runs twice from one: it goes on where it was, and may seal other records for places that it had written to already,
// with the same key and nonce. A frame that is moved, or in another file, is no record there.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ledger_segment.h"
#include "loom/base/cipher.h"

namespace loom::store {

class Vault;

class SegmentCipher {
  public:
    static constexpr size_t copy_bytes = 64;
    static constexpr size_t header_bytes = 2 * copy_bytes;
    static constexpr size_t frame_bytes = 24;  // in front of a record
    static constexpr size_t sealed_record_bytes_max = frame_bytes + tenant::ledger_record_bytes_max;

    struct Made {
        std::unique_ptr<SegmentCipher> cipher;
        std::string header;
    };
    /// For a file that is new.
    [[nodiscard]] static Made make(const Vault& vault, const SegmentName& name);
    /// front  of the file, header_bytes of it where there are so many. Null: it holds no header that this vault has
    ///        made for this name.
    [[nodiscard]] static std::unique_ptr<SegmentCipher> read(const Vault& vault, const SegmentName& name,
                                                             std::string_view front);
    [[nodiscard]] static bool looks_sealed(std::string_view front) noexcept;

    /// Writes what stands in front of a record of so many bytes, at room's front, and returns how long both are. What
    /// is laid out so is sealed later, when its place in the file is known.
    static size_t lay_out(std::span<char> room, size_t record_bytes) noexcept;
    /// In place: all frames of `frames`, whose first is at `offset` of the file. No allocation.
    void seal(std::span<char> frames, uint64_t offset) const noexcept;
    /// Back to what was laid out; of frames that this cipher has sealed at this place.
    void unseal(std::span<char> frames, uint64_t offset) const noexcept;

    /// What stands at the front of `bytes`, which are at `offset` of the file; as tenant::read_ledger_record, and as
    /// long as the frame. room  for the record: what was read borrows of it.
    [[nodiscard]] tenant::LedgerRead read_record(std::string_view bytes, uint64_t offset,
                                                 std::span<char, tenant::ledger_record_bytes_max> room) const noexcept;

  private:
    explicit SegmentCipher(const CipherKey<32>& key) noexcept : gcm_(key) {}
    Aes256Gcm gcm_;
};

/// One record, laid out and sealed for this place.
[[nodiscard]] std::string sealed_record(const SegmentCipher& cipher, std::string_view record, uint64_t offset);

}  // namespace loom::store
