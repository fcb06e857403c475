#include "loom/store/snapshot_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ledger_directory.h"
#include "loom/base/crypto.h"
#include "loom/base/result.h"
#include "loom/base/stream_hash.h"
#include "state_files.h"

namespace loom::store {
namespace {

using Cause = SnapshotFault::Cause;

static_assert(std::endian::native == std::endian::little);
constexpr std::string_view magic = "loomsnap";
constexpr uint32_t version = 1;
constexpr size_t salt_at = 16;
constexpr size_t salt_bytes = 32;
constexpr size_t check_at = salt_at + salt_bytes;
constexpr size_t check_bytes = 16;
constexpr size_t header_bytes = check_at + check_bytes;
constexpr size_t frame_bytes = 8 + check_bytes;
constexpr size_t front_bytes = 8;  // of a frame: what its check is of, beside the payload
constexpr size_t write_bytes = size_t{1} << 20;
constexpr uint8_t type_head = 1, type_record = 2, type_end = 3;
constexpr uint8_t type_passed_over = 0xff;  // in no file

using Check = std::array<uint8_t, check_bytes>;
using Front = std::array<char, front_bytes>;

std::span<uint8_t> bytes_of(std::span<char> text) noexcept {
    return {reinterpret_cast<uint8_t*>(text.data()), text.size()};
}
std::span<const uint8_t> bytes_of(std::string_view text) noexcept {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::string_view text_of(const auto& numbers) noexcept {
    return {reinterpret_cast<const char*>(numbers.data()), numbers.size()};
}

template <class Number>
Number number_at(const char* place) noexcept {
    Number number;
    std::memcpy(&number, place, sizeof number);
    return number;
}

Check check_of(const Hash128& hash) noexcept {
    Check check;
    std::memcpy(check.data(), &hash.low, 8);
    std::memcpy(check.data() + 8, &hash.high, 8);
    return check;
}

Front front_of(uint8_t type, size_t payload) noexcept {
    Front front{};
    const auto length = static_cast<uint32_t>(payload);
    std::memcpy(front.data(), &length, sizeof length);
    front[4] = static_cast<char>(type);
    return front;
}

SnapshotFault fault(Cause cause, int error = 0, uint64_t offset = 0) noexcept {
    return {.cause = cause, .sys_errno = error, .offset = offset};
}

/// All of it, unless the file ends before.
std::expected<size_t, int> read_at(int fd, std::span<char> into, uint64_t offset) {
    size_t got = 0;
    while (got < into.size()) {
        const ssize_t step = ::pread(fd, into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
        if (step < 0 && errno == EINTR) continue;
        if (step < 0) return std::unexpected(errno);
        if (step == 0) break;
        got += static_cast<size_t>(step);
    }
    return got;
}

}  // namespace

class SnapshotSeal {
  public:
    SnapshotSeal(const Vault* vault, const std::string& name, std::string_view salt) {
        std::memcpy(&seed_, salt.data(), sizeof seed_);
        if (vault == nullptr) return;
        CipherKey<64> both;
        vault->derive("snapshot " + name, bytes_of(salt), both.value);
        CipherKey<32> frames;
        std::memcpy(frames.value.data(), both.value.data(), 32);
        std::memcpy(header_key_.value.data(), both.value.data() + 32, 32);
        gcm_ = std::make_unique<Aes256Gcm>(frames);
    }
    [[nodiscard]] Check header_check(std::string_view header) const {
        if (gcm_ == nullptr) return check_of(hash128(header, seed_));
        const Sha256 tag = hmac_sha256(header_key_.value, header);
        Check check;
        std::memcpy(check.data(), tag.data(), check.size());
        return check;
    }
    /// In place.
    [[nodiscard]] Check close(const Front& front, std::span<char> payload, uint64_t number) const {
        Check check{};
        if (gcm_ == nullptr) return plain_check(front, {payload.data(), payload.size()}, number);
        gcm_->seal(bytes_of(payload), nonce_of(number), bytes_of(text_of(front)), check);
        return check;
    }
    /// In place. False: it is not what was closed.
    [[nodiscard]] bool open(const Front& front, const Check& check, std::span<char> payload, uint64_t number) const {
        if (gcm_ == nullptr) return plain_check(front, {payload.data(), payload.size()}, number) == check;
        return gcm_->open(bytes_of(payload), nonce_of(number), bytes_of(text_of(front)), check, bytes_of(payload));
    }

  private:
    [[nodiscard]] Check plain_check(const Front& front, std::string_view payload, uint64_t number) const noexcept {
        StreamHash128 hash(seed_);
        hash.add({reinterpret_cast<const char*>(&number), sizeof number});
        hash.add(text_of(front));
        hash.add(payload);
        return check_of(hash.value());
    }
    static Aes256Gcm::Nonce nonce_of(uint64_t number) noexcept {
        Aes256Gcm::Nonce nonce{};
        std::memcpy(nonce.data(), &number, sizeof number);
        return nonce;
    }

    uint64_t seed_ = 0;
    CipherKey<32> header_key_;
    std::unique_ptr<Aes256Gcm> gcm_;  // null: nothing is encrypted
};

SnapshotWriter::SnapshotWriter(SnapshotPlace place, int fd, std::unique_ptr<SnapshotSeal> seal) noexcept
    : place_(std::move(place)), fd_(fd), seal_(std::move(seal)) {}

SnapshotWriter::SnapshotWriter(SnapshotWriter&& other) noexcept
    : place_(std::move(other.place_)),
      fd_(std::exchange(other.fd_, -1)),
      seal_(std::move(other.seal_)),
      waiting_(std::move(other.waiting_)),
      written_(other.written_),
      frames_(other.frames_),
      records_(other.records_) {}

SnapshotWriter::~SnapshotWriter() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink((place_.path() + ".new").c_str());
}

std::expected<SnapshotWriter, int> SnapshotWriter::begin(const SnapshotPlace& place, std::string_view head) {
    if (head.size() > SnapshotReader::head_bytes_max) return std::unexpected(EFBIG);
    const std::string path = place.path() + ".new";
    ::unlink(path.c_str());  // whoever else may have it open, or has made it a link, has no part in this one
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return std::unexpected(errno);
    std::string header(magic);
    const uint32_t numbers[2] = {version, place.vault != nullptr ? 1u : 0u};
    header.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
    std::array<uint8_t, salt_bytes> salt;
    random_bytes(salt);
    header += text_of(salt);
    auto seal = std::make_unique<SnapshotSeal>(place.vault.get(), place.name, text_of(salt));
    header += text_of(seal->header_check(header));
    SnapshotWriter writer(place, fd, std::move(seal));
    writer.waiting_ = std::move(header);
    LOOM_TRY(writer.put(type_head, head));
    return writer;
}

std::expected<void, int> SnapshotWriter::put(uint8_t type, std::string_view payload) {
    if (payload.size() > SnapshotReader::payload_bytes_max) return std::unexpected(EFBIG);
    const Front front = front_of(type, payload.size());
    waiting_ += text_of(front);
    const size_t check_place = waiting_.size();
    waiting_.append(check_bytes, '\0');
    waiting_ += payload;
    const std::span<char> own = std::span(waiting_).subspan(check_place + check_bytes);
    const Check check = seal_->close(front, own, frames_);
    std::memcpy(waiting_.data() + check_place, check.data(), check.size());
    frames_ += 1;
    return waiting_.size() < write_bytes ? std::expected<void, int>() : flush();
}

std::expected<void, int> SnapshotWriter::flush() {
    LOOM_TRY(write_all(fd_, waiting_, written_));
    written_ += waiting_.size();
    waiting_.clear();
    return {};
}

std::expected<void, int> SnapshotWriter::add(std::string_view record) {
    LOOM_TRY(put(type_record, record));
    records_ += 1;
    return {};
}

std::expected<void, int> SnapshotWriter::finish() {
    LOOM_TRY(put(type_end, {reinterpret_cast<const char*>(&records_), sizeof records_}));
    LOOM_TRY(flush());
    if (::fsync(fd_) != 0) return std::unexpected(errno);
    return {};
}

std::expected<void, int> SnapshotWriter::publish() {
    LOOM_TRY(take_name());
    return keep_name();
}

std::expected<void, int> SnapshotWriter::take_name() {
    if (::rename((place_.path() + ".new").c_str(), place_.path().c_str()) != 0) return std::unexpected(errno);
    ::close(std::exchange(fd_, -1));
    return {};
}

std::expected<void, int> SnapshotWriter::keep_name() const { return sync_folder(place_.directory); }

std::string SnapshotFault::text() const {
    switch (cause) {
        case Cause::absent: return "is not there";
        case Cause::unreadable: return fmt::format("cannot be read: {}", std::strerror(sys_errno));
        case Cause::foreign: return "is no snapshot, or one of another version of Loom";
        case Cause::plain: return "is not encrypted, and state.encryption_key is set";
        case Cause::sealed: return "is encrypted, and state.encryption_key is not set";
        case Cause::other_key: return "was encrypted with another key, or is damaged at its front";
        case Cause::damaged: return fmt::format("is damaged at byte {}", offset);
    }
    return "";
}

SnapshotReader::SnapshotReader(int fd, uint64_t size, std::unique_ptr<SnapshotSeal> seal) noexcept
    : fd_(fd), size_(size), seal_(std::move(seal)) {}

SnapshotReader::SnapshotReader(SnapshotReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      seal_(std::move(other.seal_)),
      head_(std::move(other.head_)),
      record_bytes_max_(other.record_bytes_max_),
      passed_over_(other.passed_over_),
      at_(other.at_),
      frames_(other.frames_),
      records_(other.records_),
      first_at_(other.first_at_) {}

SnapshotReader::~SnapshotReader() {
    if (fd_ >= 0) ::close(fd_);
}

std::expected<SnapshotReader, SnapshotFault> SnapshotReader::open(const SnapshotPlace& place) {
    const int fd = ::open(place.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        const bool absent = errno == ENOENT || errno == ENOTDIR;
        return std::unexpected(fault(absent ? Cause::absent : Cause::unreadable, errno));
    }
    return read(fd, place.name, place.vault);
}

std::expected<SnapshotReader, SnapshotFault> SnapshotReader::read(int fd, const std::string& name,
                                                                  const VaultPtr& vault) {
    struct stat found{};
    const bool known = ::fstat(fd, &found) == 0;
    SnapshotReader reader(fd, known ? static_cast<uint64_t>(found.st_size) : 0, nullptr);
    if (!known) return std::unexpected(fault(Cause::unreadable, errno));
    if (!S_ISREG(found.st_mode)) return std::unexpected(fault(Cause::foreign));
    std::array<char, header_bytes> room;
    const auto got = read_at(fd, room, 0);
    if (!got) return std::unexpected(fault(Cause::unreadable, got.error()));
    const std::string_view header(room.data(), *got);
    if (header.size() < header_bytes) return std::unexpected(fault(Cause::damaged));
    const auto sealed = number_at<uint32_t>(room.data() + 12);
    if (!header.starts_with(magic) || number_at<uint32_t>(room.data() + 8) != version || sealed > 1)
        return std::unexpected(fault(Cause::foreign));
    const bool is_sealed = sealed == 1;
    if (is_sealed && vault == nullptr) return std::unexpected(fault(Cause::sealed));
    reader.seal_ =
        std::make_unique<SnapshotSeal>(is_sealed ? vault.get() : nullptr, name, header.substr(salt_at, salt_bytes));
    const Check check = reader.seal_->header_check(header.substr(0, check_at));
    if (!equal_constant_time(text_of(check), header.substr(check_at)))
        return std::unexpected(fault(is_sealed ? Cause::other_key : Cause::damaged));
    if (!is_sealed && vault != nullptr) return std::unexpected(fault(Cause::plain));
    reader.at_ = header_bytes;
    const uint8_t type = LOOM_TRY(reader.take_frame(reader.head_, head_bytes_max));
    if (type != type_head) return std::unexpected(fault(Cause::damaged, 0, header_bytes));
    reader.first_at_ = reader.at_;
    return reader;
}

SnapshotFault SnapshotReader::damaged() const noexcept { return fault(Cause::damaged, 0, at_); }

std::expected<uint8_t, SnapshotFault> SnapshotReader::take_frame(std::string& payload, uint64_t bytes_max) {
    std::array<char, frame_bytes> room;
    const auto got = read_at(fd_, room, at_);
    if (!got) return std::unexpected(fault(Cause::unreadable, got.error()));
    const auto length = number_at<uint32_t>(room.data());
    if (*got < frame_bytes || length > payload_bytes_max || length > size_ - std::min(size_, at_ + frame_bytes))
        return std::unexpected(damaged());
    Front front;
    Check check;
    std::memcpy(front.data(), room.data(), front.size());
    std::memcpy(check.data(), room.data() + front.size(), check.size());
    const auto type = static_cast<uint8_t>(front[4]);
    if (front != front_of(type, length)) return std::unexpected(damaged());
    if (length > bytes_max) {
        if (type != type_record) return std::unexpected(damaged());
        at_ += frame_bytes + length;
        frames_ += 1;
        return type_passed_over;
    }
    payload.resize(length);
    const auto read = read_at(fd_, payload, at_ + frame_bytes);
    if (!read) return std::unexpected(fault(Cause::unreadable, read.error()));
    if (*read < length || !seal_->open(front, check, payload, frames_)) return std::unexpected(damaged());
    at_ += frame_bytes + length;
    frames_ += 1;
    return type;
}

std::expected<bool, SnapshotFault> SnapshotReader::next(std::string& record) {
    uint64_t begun = at_;
    uint8_t type = LOOM_TRY(take_frame(record, record_bytes_max_));
    while (type == type_passed_over) {
        records_ += 1;
        passed_over_ += 1;
        begun = at_;
        type = LOOM_TRY(take_frame(record, record_bytes_max_));
    }
    if (type == type_record) {
        records_ += 1;
        return true;
    }
    const bool ends = type == type_end && record.size() == sizeof records_ && at_ == size_ &&
                      number_at<uint64_t>(record.data()) == records_;
    if (!ends) return std::unexpected(fault(Cause::damaged, 0, begun));
    return false;
}

void SnapshotReader::rewind() noexcept {
    at_ = first_at_;
    frames_ = 1;
    records_ = 0;
    passed_over_ = 0;
}

std::expected<void, SnapshotFault> SnapshotReader::verify() {
    rewind();
    std::string record;
    while (LOOM_TRY(next(record))) {
    }
    rewind();
    return {};
}

void set_snapshot_aside(const SnapshotPlace& place) {
    const std::string path = place.path();
    if (::rename(path.c_str(), (path + ".refused").c_str()) != 0) ::unlink(path.c_str());
    (void)sync_folder(place.directory);
}

void tidy_snapshot(const SnapshotPlace& place) {
    ::unlink((place.path() + ".new").c_str());
    if (place.vault == nullptr) return;
    const std::string aside = place.path() + ".refused";
    const int fd = ::open(aside.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    const auto reader = SnapshotReader::read(fd, place.name, place.vault);
    const bool is_sealed = reader || reader.error().cause == Cause::other_key;
    if (!is_sealed) ::unlink(aside.c_str());
}

std::expected<void, int> remove_snapshot(const SnapshotPlace& place) {
    const auto is_absent = [](int error) { return error == ENOENT || error == ENOTDIR; };
    int error = 0;
    for (const char* const end : {"", ".new", ".refused"}) {
        const std::string path = place.path() + end;
        if (::unlink(path.c_str()) == 0 || is_absent(errno)) continue;
        const int why = errno;
        struct stat found{};
        if (::lstat(path.c_str(), &found) != 0 && is_absent(errno))
            continue;  // a disk that is only read says so of all
        error = why;
    }
    // Also where there was none: the one before may have been removed, and not have come to the disk.
    const auto synced = sync_folder(place.directory);
    if (error == 0 && !synced && !is_absent(synced.error())) error = synced.error();
    return error == 0 ? std::expected<void, int>() : std::unexpected(error);
}

}  // namespace loom::store
