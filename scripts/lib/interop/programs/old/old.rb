# net-ssh and net-sftp of Debian, controlled by scripts/interop; scripted.py describes the protocol.

require "net/sftp"

port, user = ARGV
options = {
  port: port.to_i, password: ENV.fetch("PASSWORD"), config: false, non_interactive: true, use_agent: false,
  verify_host_key: :never, timeout: 20, auth_methods: ["password"]
}
# With one key exchange, it is known which one was used; otherwise the library chooses.
options[:kex] = [ENV["KEX"]] if ENV["KEX"]
STDIN.binmode
STDOUT.sync = true
begin
  Net::SFTP.start("127.0.0.1", user, options) do |sftp|
    verbs = {
      "put" => ->(local, path) { sftp.upload!(local, path) && "" },
      "get" => ->(path, local) { sftp.download!(path, local) && "" },
      "list" => lambda do |path|
        found = []
        sftp.dir.foreach(path) { |entry| found << "#{entry.name}=#{entry.attributes.size}" }
        found.join("\t")
      end,
      "mkdir" => ->(path) { sftp.mkdir!(path) && "" },
      "rmdir" => ->(path) { sftp.rmdir!(path) && "" },
      "remove" => ->(path) { sftp.remove!(path) && "" },
      "rename" => ->(from, to) { sftp.rename!(from, to) && "" },
      "stat" => lambda do |path|
        found = sftp.stat!(path)
        "#{found.permissions.to_s(8)} #{found.size} #{found.mtime}"
      end,
      "chmod" => ->(path, mode) { sftp.setstat!(path, permissions: mode.to_i(8)) && "" },
      "time" => ->(path, seconds) { sftp.setstat!(path, atime: seconds.to_i, mtime: seconds.to_i) && "" },
      "symlink" => ->(target, path) { sftp.symlink!(target, path) && "" },
      "readlink" => ->(path) { sftp.readlink!(path).name }
    }
    while (line = STDIN.gets)
      verb, *words = line.chomp.split("\t", -1)
      begin
        STDOUT.write("ok\t#{verbs.fetch(verb).call(*words)}\n")
      rescue StandardError => error
        STDOUT.write("error\t#{error.message.tr("\n", " ")}\n")
      end
    end
  end
rescue Net::SFTP::StatusException
  # At the end, the library reports the other failed WRITEs of an upload.
end
