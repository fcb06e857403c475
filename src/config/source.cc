#include "loom/config/source.h"

#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace loom::config {

namespace {

std::optional<std::string> environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
}

std::unexpected<Error> failed(int sys_errno) {
    const Errc code = sys_errno == ENOENT ? Errc::not_found : Errc::io;
    return fail(code, Side::internal, "cannot read a configuration file", sys_errno);
}

Result<std::string> read_all(int fd, size_t bytes_max) {
    std::string bytes;
    std::array<char, 16384> chunk;
    for (;;) {
        const ssize_t count = ::read(fd, chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(errno);
        if (count == 0) return bytes;
        bytes.append(chunk.data(), static_cast<size_t>(count));
        if (bytes.size() > bytes_max) return fail(Errc::too_large, Side::internal, "a configuration file is too large");
    }
}

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed(errno);
    auto bytes = read_all(fd, bytes_max);
    ::close(fd);
    return bytes;
}

std::vector<std::string> glob_paths(const std::string& pattern) {
    glob_t found = {};
    std::vector<std::string> paths;
    if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
        paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    }
    ::globfree(&found);
    return paths;
}

}  // namespace

Source system_source() { return Source{environment, read_file, glob_paths}; }

}  // namespace loom::config
