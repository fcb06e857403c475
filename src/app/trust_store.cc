#include "trust_store.h"

#include <fstream>
#include <sstream>

namespace loom::app {
namespace {

Sha256 digest_of(const std::string& path) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return sha256(bytes.view());
}

}  // namespace

Result<net::TlsTrustPtr> TrustStore::load(const std::string& path, std::string& text) {
    const bool is_system = path.empty();
    const Sha256 digest = is_system ? Sha256{} : digest_of(path);
    const auto found = loaded_.find(path);
    if (found != loaded_.end() && found->second.digest == digest) return found->second.trust;
    auto trust = LOOM_TRY(net::load_tls_trust(path, &text));
    loaded_[path] = {digest, trust};
    return trust;
}

}  // namespace loom::app
