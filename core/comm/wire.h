// Small messages between processes over TCP, for the watch over ranks (core/comm/monitor.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::core {

enum class FrameKind : std::uint8_t { hello, beat, failed, stop, bye };

struct Frame {
  FrameKind kind = FrameKind::beat;
  std::int32_t number = 0;  // a rank or an exit code
  std::string text;         // at most kMostFrameText bytes
};
inline constexpr std::size_t kMostFrameText = 4000;

// A file descriptor, closed with its owner.
class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  int descriptor() const { return descriptor_; }
  bool open() const { return descriptor_ >= 0; }
  void close();

 private:
  int descriptor_;
};

// Frames over a connected socket. Nothing blocks: what the other side does not take yet is kept.
class Wire {
 public:
  explicit Wire(Socket socket = Socket());

  bool open() const { return socket_.open(); }
  int descriptor() const { return socket_.descriptor(); }
  // False: the connection is gone.
  bool send(const Frame& frame);
  bool flush();
  bool sent() const { return out_.empty(); }
  // Appends what has come. False: the connection is gone, or what came is no frame of ours; frames
  // that came before are there all the same.
  bool receive(std::vector<Frame>& frames);
  void close() { socket_.close(); }

 private:
  Socket socket_;
  std::string out_;
  std::string in_;
};

// Listens on a free port of all addresses. Throws core::UserError.
class Listener {
 public:
  Listener();
  int port() const { return port_; }
  int descriptor() const { return socket_.descriptor(); }
  // A connection that waits; a closed socket when there is none.
  Socket accept();

 private:
  Socket socket_;
  int port_ = 0;
};

// IPv4 addresses of this host, loopback last. interfaces: names, comma-separated, whose addresses
// alone count; empty: all.
std::vector<std::string> own_addresses(std::string_view interfaces);

// A connection to the first address that answers; a closed socket when none does within `seconds`.
Socket connect_to(const std::vector<std::string>& addresses, int port, double seconds);

}  // namespace unfold::core
