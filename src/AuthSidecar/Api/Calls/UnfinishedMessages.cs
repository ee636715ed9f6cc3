using AuthSidecar.Api.Wire;

namespace AuthSidecar.Api.Calls;

/// <summary>How many bytes of messages may be waited for that have begun to come and have not ended: what a client makes the sidecar hold.
/// Small ones have a share of their own, which nobody takes from them with large ones.</summary>
internal sealed class UnfinishedMessages
{
    /// <summary>What the shortest one occupies: a block of the memory that connections have.</summary>
    private const int LeastBytes = 32 * 1024;

    private const long MaxSmall = 64L * 1024 * 1024;
    private const long MaxLarge = 64L * 1024 * 1024;

    private long _small;
    private long _large;

    /// <summary>Makes room for a message, or more room once its length is known.</summary>
    /// <param name="room">Its room so far; to be disposed of when it has ended.</param>
    /// <param name="length">Its length in bytes; 0: it is not known yet.</param>
    /// <exception cref="Grpc.Core.RpcException">The memory for unfinished messages is used up.</exception>
    public void Take(ref Room? room, long length)
    {
        var bytes = Math.Max(length, LeastBytes);
        if (room?.Bytes >= bytes)
            return;

        room?.Dispose();
        room = null;
        ref var held = ref Held(bytes);
        if (Interlocked.Add(ref held, bytes) > (bytes > LeastBytes ? MaxLarge : MaxSmall))
        {
            Interlocked.Add(ref held, -bytes);
            throw ApiErrors.TooManyBytes();
        }

        room = new Room(this, bytes);
    }

    private ref long Held(long bytes) => ref bytes > LeastBytes ? ref _large : ref _small;

    public sealed class Room(UnfinishedMessages messages, long bytes) : IDisposable
    {
        private int _isReturned;

        public long Bytes => bytes;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReturned, 1) == 0)
                Interlocked.Add(ref messages.Held(bytes), -bytes);
        }
    }
}
