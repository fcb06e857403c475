#include "process_stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace loom::observe {
namespace {

/// A file of /proc, whole and terminated; empty when it cannot be read.
const char* read_proc(const char* path, char (&buffer)[1024]) noexcept {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : ::read(fd, buffer, sizeof buffer - 1);
    if (fd >= 0) ::close(fd);
    buffer[n > 0 ? n : 0] = '\0';
    return buffer;
}

double seconds_of(const timeval& t) noexcept {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}
double seconds_of(const timespec& t) noexcept {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

/// Field 22 of /proc/self/stat counts ticks from the boot to the start; the clocks tell when the boot was.
double start_time() noexcept {
    char buffer[1024];
    const char* end_of_name = std::strrchr(read_proc("/proc/self/stat", buffer), ')');  // a name may hold blanks
    unsigned long long ticks = 0;
    if (!end_of_name ||
        std::sscanf(end_of_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                    &ticks) != 1)
        return 0;
    timespec now{}, since_boot{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return seconds_of(now) - seconds_of(since_boot) +
           static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

uint64_t count_fds() noexcept {
    DIR* directory = ::opendir("/proc/self/fd");
    if (!directory) return 0;
    uint64_t count = 0;
    while (const dirent* entry = ::readdir(directory)) count += entry->d_name[0] != '.';
    ::closedir(directory);
    return count - 1;  // the directory's own
}

}  // namespace

ProcessStat read_process_stat() noexcept {
    // The start does not change, though the wall clock may be set: one answer for the life of the process.
    static const double start = start_time();
    ProcessStat out;
    out.start_time_seconds = start;
    char buffer[1024];
    unsigned long long size = 0, resident = 0;
    if (std::sscanf(read_proc("/proc/self/statm", buffer), "%llu %llu", &size, &resident) == 2) {
        const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
        out.virtual_bytes = size * page;
        out.resident_bytes = resident * page;
    }
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0)
        out.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
    out.open_fds = count_fds();
    return out;
}

}  // namespace loom::observe
