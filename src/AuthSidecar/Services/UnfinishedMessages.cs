namespace AuthSidecar.Services;

/// <summary>
/// How many bytes of messages may be waited for that have begun to come and have not ended: what a client makes the sidecar hold. Small ones have a share of their
/// own, which nobody takes from them with large ones.
/// </summary>
internal sealed class UnfinishedMessages
{
    private const int SmallBytes = 16 * 1024;
    private const long MaxSmall = 32L * 1024 * 1024;
    private const long MaxLarge = 64L * 1024 * 1024;

    private long _small;
    private long _large;

    /// <summary>Room for a message; null: there is none. To be disposed of when it has ended.</summary>
    public Room? TryTake(long length)
    {
        if (length <= SmallBytes)
        {
            return TryAdd(ref _small, length, MaxSmall) ? new Room(this, length) : null;
        }

        return TryAdd(ref _large, length, MaxLarge) ? new Room(this, length) : null;
    }

    private static bool TryAdd(ref long held, long length, long most)
    {
        if (Interlocked.Add(ref held, length) <= most)
        {
            return true;
        }

        Interlocked.Add(ref held, -length);
        return false;
    }

    private void Return(long length)
    {
        if (length <= SmallBytes)
        {
            Interlocked.Add(ref _small, -length);
        }
        else
        {
            Interlocked.Add(ref _large, -length);
        }
    }

    public sealed class Room(UnfinishedMessages messages, long length) : IDisposable
    {
        private int _isReturned;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isReturned, 1) == 0)
            {
                messages.Return(length);
            }
        }
    }
}
