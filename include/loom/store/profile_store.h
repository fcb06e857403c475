// What was learned of consumers' usual (tenant/anomaly.h), kept over restarts: `anomaly.db` of the state directory. The
// bytes are whose who learns.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/store/vault.h"

namespace loom::store {

/// For one thread at a time; it blocks on the disk.
class ProfileStore {
  public:
    /// A file that is damaged is renamed to `.corrupt`, and another is begun: what was in it can be learned anew.
    /// on_notice  a line for the log of it.
    /// Errors  a text that names the file, what is wrong with it, and a remedy.
    [[nodiscard]] static std::expected<ProfileStore, std::string> open(
        const std::string& directory, VaultPtr vault, const std::function<void(std::string)>& on_notice);
    ProfileStore(ProfileStore&&) noexcept;
    ProfileStore& operator=(ProfileStore&&) noexcept;
    ~ProfileStore();

    struct Profile {
        std::string name;
        std::string bytes;
    };
    // Errors  a text, for the log.
    [[nodiscard]] std::expected<std::vector<Profile>, std::string> load();
    /// All of it or nothing. What a power cut takes is learned anew.
    [[nodiscard]] std::expected<void, std::string> save(const std::vector<Profile>& changed,
                                                        const std::vector<std::string>& forgotten);

  private:
    struct Impl;
    explicit ProfileStore(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loom::store
