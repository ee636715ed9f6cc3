using System.Collections;
using System.Numerics;

namespace AuthSidecar.Bundles;

/// <summary>A set of data types: what an answer rests on, what is current. The default is empty.</summary>
internal readonly record struct DataTypeSet : IEnumerable<DataType>
{
    public static readonly DataTypeSet All = Of(DataTypes.All);

    private readonly uint _bits;

    private DataTypeSet(uint bits) => _bits = bits;

    public static DataTypeSet Of(params IEnumerable<DataType> types) => new(
        types.Aggregate(0u, (bits, type) => bits | (1u << type.Number)));

    public static implicit operator DataTypeSet(DataType type) => new(1u << type.Number);
    public bool IsEmpty => _bits == 0;
    public bool Contains(DataType type) => (_bits & (1u << type.Number)) != 0;
    public static DataTypeSet operator |(DataTypeSet a, DataTypeSet b) => new(a._bits | b._bits);
    public DataTypeSet Except(DataTypeSet other) => new(_bits & ~other._bits);
    public Enumerator GetEnumerator() => new(_bits);

    IEnumerator<DataType> IEnumerable<DataType>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string ToString() => string.Join(", ", this);

    /// <summary>In the order of their numbers.</summary>
    internal struct Enumerator(uint bits) : IEnumerator<DataType>
    {
        private uint _left = bits;
        private int _number;

        public readonly DataType Current => DataTypes.All[_number - 1];

        readonly object IEnumerator.Current => Current;

        public bool MoveNext()
        {
            if (_left == 0)
                return false;

            _number = BitOperations.TrailingZeroCount(_left);
            _left &= _left - 1;
            return true;
        }

        public readonly void Reset() => throw new NotSupportedException();

        public readonly void Dispose()
        {
        }
    }
}
