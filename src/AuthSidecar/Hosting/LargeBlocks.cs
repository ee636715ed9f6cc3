using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace AuthSidecar.Hosting;

/// <summary>Memory for connections, in blocks of 32 KiB in place of 4: a sidecar has few connections, each with many tokens on it, and reads as many bytes at once as fit.</summary>
internal sealed class LargeBlocks : IMemoryPoolFactory<byte>
{
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new Pool();

    private sealed class Pool : MemoryPool<byte>
    {
        private const int BlockBytes = 32 * 1024;

        /// <summary>What is kept for the next connections; more is left to the collector.</summary>
        private const int MostKept = 256;

        private readonly ConcurrentQueue<Block> _kept = new();

        public override int MaxBufferSize => BlockBytes;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
            return _kept.TryDequeue(out var block) ? block : new Block(this);
        }

        protected override void Dispose(bool disposing) => _kept.Clear();

        private void Keep(Block block)
        {
            if (_kept.Count < MostKept)
            {
                _kept.Enqueue(block);
            }
        }

        private sealed class Block(Pool pool) : IMemoryOwner<byte>
        {
            // Pinned for good: the kernel writes to it.
            private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);

            public Memory<byte> Memory => System.Runtime.InteropServices.MemoryMarshal.CreateFromPinnedArray(_bytes, 0, BlockBytes);

            public void Dispose() => pool.Keep(this);
        }
    }
}
