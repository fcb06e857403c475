// Certificates made on the spot, for tests of TLS: an authority of one's own, hosts with any names and dates.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>
#include <utility>

#include "loom/net/tls_context.h"

namespace loom::net::test {

inline std::string contents(BIO* bio) {
    const uint8_t* bytes;
    size_t size;
    return BIO_mem_contents(bio, &bytes, &size) ? std::string(reinterpret_cast<const char*>(bytes), size) : "";
}

inline bssl::UniquePtr<EVP_PKEY> make_key() {
    bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
    EC_KEY_generate_key(ec.get());
    bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
    EVP_PKEY_set1_EC_KEY(key.get(), ec.get());
    return key;
}

inline std::string key_pem(EVP_PKEY* key) {
    bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return contents(bio.get());
}

inline std::string pem(X509* certificate) {
    bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate);
    return contents(bio.get());
}

struct HostSpec {
    std::string names;                   // subjectAltName: "DNS:a.example,IP:10.0.0.1"
    std::string common_name = "a host";  // of the subject
    long begins_in_seconds = -3600;
    long ends_in_seconds = 86400;
    std::string usage = "serverAuth";
};

class Authority {
  public:
    explicit Authority(std::string name = "Test CA", bssl::UniquePtr<EVP_PKEY> key = make_key())
        : name_(std::move(name)), key_(std::move(key)) {
        certificate_ = make(name_, key_.get(), {.names = "", .common_name = name_, .usage = ""}, true);
    }
    std::string pem() const { return test::pem(certificate_.get()); }

    TlsKeyPair issue(const HostSpec& spec, bssl::UniquePtr<EVP_PKEY> key = make_key()) {
        return {test::pem(make(spec.common_name, key.get(), spec, false).get()), key_pem(key.get()),
                spec.common_name + ".crt"};
    }

    /// A file that load_tls_trust reads; gone with the authority's caller.
    TlsTrustPtr trust() const {
        const std::string path = "/tmp/loom-test-ca-" + std::to_string(getpid()) + ".pem";
        FILE* file = fopen(path.c_str(), "w");
        fputs(pem().c_str(), file);
        fclose(file);
        auto loaded = load_tls_trust(path);
        unlink(path.c_str());
        return loaded.value();
    }

  private:
    static void add(X509* certificate, int nid, const std::string& value) {
        if (value.empty()) return;
        X509V3_CTX context;
        X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
        bssl::UniquePtr<X509_EXTENSION> extension(X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
        X509_add_ext(certificate, extension.get(), -1);
    }
    static void set_name(X509_NAME* name, const std::string& common_name) {
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const uint8_t*>(common_name.c_str()), -1,
                                   -1, 0);
    }
    bssl::UniquePtr<X509> make(const std::string& subject, EVP_PKEY* key, const HostSpec& spec, bool is_authority) {
        bssl::UniquePtr<X509> certificate(X509_new());
        X509* x = certificate.get();
        X509_set_version(x, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial_);
        X509_gmtime_adj(X509_getm_notBefore(x), spec.begins_in_seconds);
        X509_gmtime_adj(X509_getm_notAfter(x), spec.ends_in_seconds);
        set_name(X509_get_subject_name(x), subject);
        set_name(X509_get_issuer_name(x), name_);
        X509_set_pubkey(x, key);
        add(x, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
        add(x, NID_ext_key_usage, spec.usage);
        add(x, NID_subject_alt_name, spec.names);
        X509_sign(x, key_.get(), EVP_sha256());
        return certificate;
    }

    std::string name_;
    bssl::UniquePtr<EVP_PKEY> key_;
    bssl::UniquePtr<X509> certificate_;
    long serial_ = 0;
};

}  // namespace loom::net::test
