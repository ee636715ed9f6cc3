using Microsoft.AspNetCore.Connections;

namespace AuthSidecar.Hosting;

/// <summary>Memory for connections, in blocks of 32 KiB in place of 4: a sidecar has few connections, each with many tokens on it, and
/// reads as many bytes at once as fit.</summary>
internal sealed class LargeBlockMemoryPool : IMemoryPoolFactory<byte>
{
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool();

    private sealed class Pool : MemoryPool<byte>
    {
        private const int BlockBytes = 32 * 1024;

        /// <summary>What is kept for the next connections; more is left to the collector. The first ones that were made, always: they lie
        /// together, where those that happen to come back last would lie scattered, and hold all the memory between them.</summary>
        private const int MostKept = 1024;

        private readonly ConcurrentQueue<Block> _kept = new();
        private int _made;

        public override int MaxBufferSize => BlockBytes;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
            return _kept.TryDequeue(out var block) ? block : new Block(Interlocked.Increment(ref _made) <= MostKept ? this : null);
        }

        protected override void Dispose(bool disposing) => _kept.Clear();

        /// <param name="keeper">Where it goes when it is not needed any more; null: to the collector.</param>
        private sealed class Block(Pool? keeper) : IMemoryOwner<byte>
        {
            // Pinned for good: the kernel writes to it.
            private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);

            public Memory<byte> Memory => System.Runtime.InteropServices.MemoryMarshal.CreateFromPinnedArray(_bytes, 0, BlockBytes);
            public void Dispose() => keeper?._kept.Enqueue(this);
        }
    }
}
