#include "loom/store/vault.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "encrypted_vfs.h"
#include "loom/base/base64.h"
#include "loom/base/crypto.h"
#include "loom/base/result.h"
#include "state_files.h"

namespace loom::store {
namespace {

using Form = StateFile::Form;

constexpr std::string_view salt = "loom state 1";

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

/// Nothing where the file is no database or segment that says of itself what it is.
const StateFile* first_of(const std::vector<StateFile>& files, Form form) {
    const auto found = std::ranges::find(files, form, &StateFile::form);
    return found == files.end() ? nullptr : &*found;
}

/// What a change of the encryption that did not get far has left, which may be plain text.
void remove_rest(const std::string& directory) {
    std::error_code ignored;  // it is tried again at the next start
    std::filesystem::remove_all(fmt::format("{}/{}", directory, migration_folder), ignored);
}

std::expected<void, std::string> make_marker(const std::string& directory, const Vault& vault) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return wrong(fmt::format("state.directory: {} cannot be made: {}", directory, std::strerror(errno)));
    const std::string path = fmt::format("{}/{}", directory, encryption_marker);
    if (const auto written = write_file_whole(path, vault.marker()); !written)
        return wrong(fmt::format("state.directory: {} cannot be written: {}", path, std::strerror(written.error())));
    return {};
}

}  // namespace

std::expected<StateKey, std::string> parse_state_key(std::string_view text) {
    StateKey key;
    if (hex_decode(text, key.value)) return key;
    std::string bytes;
    const bool is_base64 = base64_decode(text, bytes) && bytes.size() == key.value.size();
    if (is_base64) std::memcpy(key.value.data(), bytes.data(), bytes.size());
    secure_wipe(bytes);
    if (is_base64) return key;
    return wrong("expected 32 random bytes as 64 hexadecimal digits or base64; `openssl rand -hex 32` makes them");
}

Vault::Vault(const StateKey& key) : key_(key), vfs_(std::make_unique<EncryptedVfs>(*this)) {}

Vault::~Vault() = default;

void Vault::derive(std::string_view purpose, std::span<const uint8_t> own_salt, std::span<uint8_t> out) const noexcept {
    const std::span fixed(reinterpret_cast<const uint8_t*>(salt.data()), salt.size());
    hkdf_sha256(key_.value, own_salt.empty() ? fixed : own_salt, purpose, out);
}

std::string Vault::marker() const {
    Sha256 check{};
    derive("check", {}, check);
    return fmt::format("loom encryption 1\ncheck {}\n", hex_encode(check));
}

const char* Vault::vfs_name() const noexcept { return vfs_->name(); }

std::expected<VaultPtr, std::string> open_vault(const std::string& directory, const StateKey* key, VaultUse use) {
    if (directory.empty()) return VaultPtr();
    const std::string marker_path = fmt::format("{}/{}", directory, encryption_marker);
    const std::string commit_path = fmt::format("{}/{}/{}", directory, migration_folder, migration_commit);
    if (::access(commit_path.c_str(), F_OK) == 0)
        return wrong(
            fmt::format("state.directory: {} says that `loom state` was interrupted there; run it again: it finishes "
                        "that first",
                        commit_path));
    const auto read = read_small_file(marker_path);
    if (!read)
        return wrong(fmt::format("state.directory: {} cannot be read: {}; it says whether the directory is encrypted",
                                 marker_path, std::strerror(read.error())));
    const std::optional<std::string>& marker = *read;
    const auto files = LOOM_TRY(state_files(directory));
    if (key == nullptr) {
        const StateFile* sealed = nullptr;  // a database that begins with anything may be a damaged one
        for (const StateFile& file : files)
            if (file.form == Form::sealed && file.segment && !file.aside) sealed = &file;
        if (!marker && sealed == nullptr) {
            if (use == VaultUse::write) remove_rest(directory);
            return VaultPtr();
        }
        return wrong(
            fmt::format("state.directory: {} is encrypted, as {} says; set state.encryption_key to its key, or "
                        "decrypt it with `loom state decrypt`",
                        directory, marker ? marker_path : fmt::format("{}/{}", directory, sealed->name)));
    }
    auto vault = std::make_shared<const Vault>(*key);
    if (marker && !equal_constant_time(*marker, vault->marker()))
        return wrong(
            fmt::format("state.encryption_key: is not the key that {} was encrypted with, as {} says; give that "
                        "one, or go over to another with `loom state rekey`",
                        directory, marker_path));
    if (const StateFile* const closed = first_of(files, Form::unreadable); closed != nullptr)
        return wrong(fmt::format("state.directory: {}/{} cannot be read; let this user read it, or move it away",
                                 directory, closed->name));
    const StateFile* strange = first_of(files, Form::plain);
    if (strange == nullptr && !marker) strange = first_of(files, Form::sealed);
    if (strange != nullptr)
        return wrong(fmt::format(
            "state.encryption_key: {}/{} {}; `loom state encrypt` makes it good, while no Loom "
            "uses the directory",
            directory, strange->name,
            strange->form == Form::plain ? "is not encrypted" : fmt::format("is there and {} is not", marker_path)));
    if (use == VaultUse::write) remove_rest(directory);
    if (!marker && use == VaultUse::write) LOOM_TRY(make_marker(directory, *vault));
    return VaultPtr(std::move(vault));
}

StateHold::StateHold(StateHold&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StateHold& StateHold::operator=(StateHold&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

StateHold::~StateHold() {
    if (fd_ >= 0) ::close(fd_);
}

std::expected<StateHold, std::string> StateHold::share(const std::string& directory) {
    StateHold hold(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (hold.fd_ < 0 || ::flock(hold.fd_, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return hold;
    return wrong(fmt::format("state.directory: `loom state` is at work in {}; wait until it is done", directory));
}

std::expected<StateHold, std::string> StateHold::alone(const std::string& directory) {
    StateHold hold(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (hold.fd_ >= 0 && ::flock(hold.fd_, LOCK_EX | LOCK_NB) == 0) return hold;
    if (hold.fd_ >= 0 && errno == EWOULDBLOCK)
        return wrong(fmt::format("state.directory: a Loom uses {}; stop it first", directory));
    return wrong(fmt::format("state.directory: {}: {}", directory, std::strerror(errno)));
}

}  // namespace loom::store
