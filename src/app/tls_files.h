// The files that TLS lives from, as a configuration names them: authorities, certificates, keys. And those of
// providers' credentials and of issuers' keys, which are kept and watched by the same rules.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "google_account.h"
#include "loom/base/crypto.h"
#include "loom/config/config.h"
#include "loom/net/tls_context.h"
#include "loom/tenant/jwk.h"

namespace loom::app {

using TlsKeyPairPtr = std::shared_ptr<const net::TlsKeyPair>;

/// Loads each file once for as long as its bytes stay the same, so that a reload keeps the pools and sessions of what
/// did not change; and watches those of the configuration in force. The system's store is loaded once in the life of
/// the process. Blocks on files: for the main thread.
class TlsFiles {
  public:
    /// What a file does that cannot be used, where a good one was before.
    enum class Fault : uint8_t {
        refuse,  // is an error
        keep,    // leaves what was there in force, with a line in the log
    };

    /// Begins to read a configuration.
    void begin(Fault fault);
    /// What was read since begin() is in force: these files are watched.
    void watch();
    /// One of the watched files is another than it was, is there or is not, or another matches a pattern.
    [[nodiscard]] bool changed() const;
    [[nodiscard]] bool watches_any() const noexcept { return !watched_.stamps.empty(); }
    /// What begin() was told.
    [[nodiscard]] Fault fault() const noexcept { return fault_; }
    /// A renewal that cannot be used, and what holds instead: a line for the log, and for the count.
    void tell_failure(std::string_view line);
    /// Since the start. From any thread.
    [[nodiscard]] uint64_t failure_count() const noexcept { return failure_count_.load(std::memory_order_relaxed); }

    // Of all: `text` is, on an error, one line: what is wrong with which file and what to do. Errors  not_found,
    // bad_conf.

    /// path  a PEM file; "" is the system's store, which is not watched.
    [[nodiscard]] Result<net::TlsTrustPtr> trust(const std::string& path, std::string& text);
    /// Of the file that a key of the conf names. Null after a message, which names the key.
    [[nodiscard]] net::TlsTrustPtr trust_of_key(const config::Config& config, const std::string& key,
                                                std::vector<std::string>& messages);
    /// key  "" is the file beside the certificate, or the certificate's own.
    [[nodiscard]] Result<TlsKeyPairPtr> key_pair(const std::string& certificate, const std::string& key,
                                                 std::string& text);
    /// path  a credentials file of Google's; its tokens are asked for over TLS on the system's trust.
    [[nodiscard]] Result<GoogleAccountPtr> google_account(const std::string& provider, const std::string& path,
                                                          std::string& text);
    /// path  a JSON Web Key Set.
    [[nodiscard]] Result<std::shared_ptr<const tenant::JwkSet>> jwk_set(const std::string& path, std::string& text);
    /// Of what was read since begin().
    [[nodiscard]] const std::vector<GoogleAccountPtr>& google_accounts() const noexcept { return accounts_read_; }
    /// The files that match, sorted; what holds no wildcard is a file, there or not.
    [[nodiscard]] std::vector<std::string> expand(const std::string& pattern);

  private:
    /// What tells a file from its successor.
    struct Stamp {
        dev_t device = 0;
        ino_t inode = 0;
        off_t bytes = -1;  // -1: it is not there
        int64_t changed_ns = 0;
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    struct Seen {
        std::map<std::string, Stamp> stamps;                         // of a path
        std::map<std::string, std::vector<std::string>> expansions;  // of a pattern
    };
    template <class T>
    struct Held {
        Sha256 digest{};
        std::shared_ptr<const T> value;
    };
    template <class T>
    using Shelf = std::map<std::string, Held<T>>;

    static Stamp stamp_of(const std::string& path);
    static std::vector<std::string> matches(const std::string& pattern);
    template <class T>
    Result<std::shared_ptr<const T>> settle(Held<T>& held, const Sha256& digest, Result<std::shared_ptr<const T>> read,
                                            const std::string& text);

    Fault fault_ = Fault::refuse;
    std::atomic<uint64_t> failure_count_ = 0;
    Seen reading_, watched_;
    // Bounded by the names that confs of this process have used.
    Shelf<net::TlsTrust> trusts_;
    Shelf<net::TlsKeyPair> key_pairs_;
    Shelf<GoogleAccount> accounts_;
    Shelf<tenant::JwkSet> jwk_sets_;
    std::vector<GoogleAccountPtr> accounts_read_;
    uint64_t last_account_ = 0;
};

}  // namespace loom::app
