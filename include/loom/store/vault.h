// A state.directory that is encrypted: its key, and what says that it is.
//
// What it protects: whoever gets the disk, a copy or a backup of the directory, without the key, reads nothing of what
// the files say. What shows: names, sizes and times of files, when and where in them something changes, and in SQLite's
// -shm files (which outlive no orderly end) which pages of a database have changed. Nobody changes a record of the log
// unseen, or moves it: a file's end may be missing, which only usage.db tells. Databases have no such seal
// (encrypted_vfs.h). It protects nothing from who reads Loom's memory or its configuration.
//
// The key is 32 random bytes. Each file has keys of its own that are made of it and of the file's name, so files keep
// their names. `encryption` in the directory says that it is encrypted, and lets a wrong key be told from a damaged
// file; it holds nothing that is needed to read the others.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "loom/base/cipher.h"

namespace loom::store {

class EncryptedVfs;

using StateKey = CipherKey<32>;

/// 64 hexadecimal digits, or base64 of 32 bytes.
/// Errors  a text, without anything of the key.
[[nodiscard]] std::expected<StateKey, std::string> parse_state_key(std::string_view text);

/// The keys of an encrypted directory. Any thread; outlives what it has opened.
class Vault {
  public:
    explicit Vault(const StateKey& key);
    Vault(const Vault&) = delete;
    ~Vault();

    /// For one purpose, and for those who give the same salt.
    void derive(std::string_view purpose, std::span<const uint8_t> salt, std::span<uint8_t> out) const noexcept;
    /// What `encryption` holds.
    [[nodiscard]] std::string marker() const;
    /// SQLite's name of the file system that encrypts; registered as long as this lives.
    [[nodiscard]] const char* vfs_name() const noexcept;

  private:
    StateKey key_;
    std::unique_ptr<EncryptedVfs> vfs_;
};

using VaultPtr = std::shared_ptr<const Vault>;  // null: nothing is encrypted

enum class VaultUse : uint8_t {
    write,  // who holds it: an empty directory becomes an encrypted one where there is a key
    read,   // nothing is changed
};

/// Says whether the key, or that there is none (null), is the right one for the files of a state.directory; nothing of
/// them is changed where it is not.
/// Errors  a text that names the file and a remedy.
[[nodiscard]] std::expected<VaultPtr, std::string> open_vault(const std::string& directory, const StateKey* key,
                                                              VaultUse use);

/// Held while a Loom uses a state.directory, and by nobody beside who changes its encryption. Let go of by the kernel
/// however its process ends.
class StateHold {
  public:
    StateHold() = default;
    StateHold(StateHold&& other) noexcept;
    StateHold& operator=(StateHold&& other) noexcept;
    ~StateHold();
    /// Beside others; nothing is held where the directory is not there.
    /// Errors  a text: who changes the encryption is at it.
    [[nodiscard]] static std::expected<StateHold, std::string> share(const std::string& directory);
    /// Errors  a text: a Loom uses it, or there is none.
    [[nodiscard]] static std::expected<StateHold, std::string> alone(const std::string& directory);
    [[nodiscard]] bool held() const noexcept { return fd_ >= 0; }

  private:
    explicit StateHold(int fd) noexcept : fd_(fd) {}
    int fd_ = -1;
};

}  // namespace loom::store
