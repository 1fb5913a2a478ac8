//! The table of C functions: each tells the disk and hands the call on.
//!
//! SQLite gives each open file a block of memory of `szOsFile` bytes. Ours begins with a [`File`], and the file of the system's own file system
//! lies behind it.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use rusqlite::ffi;

use crate::disk::State;

/// What the table of a file system points to.
struct App {
    base: *mut ffi::sqlite3_vfs,
    state: Arc<State>,
}

#[repr(C)]
struct File {
    header: ffi::sqlite3_file,
    /// Null for files that are not tracked, such as temporary ones.
    tracked: *mut Tracked,
}

struct Tracked {
    path: PathBuf,
    state: Arc<State>,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 3 would add the mapping of pages into memory, behind our back.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Registers a file system of this name. Its table lives as long as the process.
pub(crate) fn register(name: &str, state: Arc<State>) {
    let name = CString::new(name).expect("a name without zeros").into_raw();
    // SAFETY: SQLite answers its default file system, or null; its table lives as long as the process. The new table is a copy whose own functions get
    // the base from `pAppData`; the others do not look at the table, but for `mxPathname`, which is copied.
    let registered = unsafe {
        let base = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!base.is_null(), "SQLite has a file system");
        let mut table = *base;
        table.szOsFile += c_int::try_from(mem::size_of::<File>()).expect("a few bytes");
        table.pNext = ptr::null_mut();
        table.zName = name;
        table.pAppData = Box::into_raw(Box::new(App { base, state })).cast();
        table.xOpen = Some(open);
        table.xDelete = Some(delete);
        ffi::sqlite3_vfs_register(Box::into_raw(Box::new(table)), 0)
    };
    assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes the file system");
}

/// # Safety
/// `vfs` is a table that [`register`] made.
unsafe fn app<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a App {
    // SAFETY: the caller's promise; the box was leaked.
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

/// # Safety
/// `name` is null or a C string.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    // SAFETY: the caller's promise.
    (!name.is_null()).then(|| Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())).to_owned())
}

/// The system's file behind ours.
///
/// # Safety
/// `file` is a block of memory that SQLite made for our table.
unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: the block is as long as both.
    unsafe { file.cast::<u8>().add(mem::size_of::<File>()).cast() }
}

/// # Safety
/// `file` was opened by [`open`].
unsafe fn tracked<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Tracked> {
    // SAFETY: the caller's promise; the box lives until `close`.
    unsafe { (*file.cast::<File>()).tracked.as_ref() }
}

unsafe extern "C" fn open(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, file: *mut ffi::sqlite3_file, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: SQLite calls with a table of ours, a block of `szOsFile` bytes, and a name that is null or a C string.
    unsafe {
        let app = app(vfs);
        let Some(base_open) = (*app.base).xOpen else { return ffi::SQLITE_CANTOPEN };
        let real = real(file);
        (*real).pMethods = ptr::null();
        let code = base_open(app.base, name, real, flags, out);
        let ours = file.cast::<File>();
        // SQLite closes a file that could not be opened if it has methods.
        (*ours).header.pMethods = if (*real).pMethods.is_null() { ptr::null() } else { &raw const METHODS };
        (*ours).tracked = ptr::null_mut();
        if code == ffi::SQLITE_OK
            && let Some(path) = path_of(name)
        {
            app.state.opened(&path);
            (*ours).tracked = Box::into_raw(Box::new(Tracked { path, state: Arc::clone(&app.state) }));
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: as for `open`.
    unsafe {
        let app = app(vfs);
        if let Some(path) = path_of(name) {
            app.state.deleted(&path);
        }
        (*app.base).xDelete.map_or(ffi::SQLITE_IOERR, |base| base(app.base, name, sync_folder))
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes each open file once.
    unsafe {
        let ours = file.cast::<File>();
        if !(*ours).tracked.is_null() {
            drop(Box::from_raw((*ours).tracked));
            (*ours).tracked = ptr::null_mut();
        }
        let real = real(file);
        (*(*real).pMethods).xClose.map_or(ffi::SQLITE_IOERR, |base| base(real))
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, count: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite gives `count` bytes.
    unsafe {
        let real = real(file);
        let code = (*(*real).pMethods).xWrite.map_or(ffi::SQLITE_IOERR, |base| base(real, bytes, count, offset));
        if code == ffi::SQLITE_OK
            && let (Some(tracked), Ok(count), Ok(offset)) = (tracked(file), usize::try_from(count), usize::try_from(offset))
        {
            tracked.state.written(&tracked.path, offset, std::slice::from_raw_parts(bytes.cast(), count));
        }
        code
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: an open file.
    unsafe {
        let real = real(file);
        let code = (*(*real).pMethods).xTruncate.map_or(ffi::SQLITE_IOERR, |base| base(real, length));
        if code == ffi::SQLITE_OK
            && let (Some(tracked), Ok(length)) = (tracked(file), usize::try_from(length))
        {
            tracked.state.truncated(&tracked.path, length);
        }
        code
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: an open file.
    unsafe {
        let real = real(file);
        let code = (*(*real).pMethods).xSync.map_or(ffi::SQLITE_IOERR, |base| base(real, flags));
        match tracked(file) {
            Some(tracked) if code == ffi::SQLITE_OK && !tracked.state.flushed(&tracked.path) => ffi::SQLITE_IOERR_FSYNC,
            _ => code,
        }
    }
}

/// Hands a call on to the system's file.
macro_rules! hand_on {
    ($($name:ident as $method:ident($($argument:ident: $type:ty),*) -> $answer:ty, else $missing:expr;)*) => {$(
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($argument: $type),*) -> $answer {
            // SAFETY: an open file, and the arguments that SQLite gave.
            unsafe {
                let real = real(file);
                match (*(*real).pMethods).$method {
                    Some(base) => base(real, $($argument),*),
                    None => $missing,
                }
            }
        }
    )*};
}

hand_on! {
    read as xRead(bytes: *mut c_void, count: c_int, offset: i64) -> c_int, else ffi::SQLITE_IOERR;
    file_size as xFileSize(size: *mut i64) -> c_int, else ffi::SQLITE_IOERR;
    lock as xLock(level: c_int) -> c_int, else ffi::SQLITE_IOERR;
    unlock as xUnlock(level: c_int) -> c_int, else ffi::SQLITE_IOERR;
    check_reserved_lock as xCheckReservedLock(out: *mut c_int) -> c_int, else ffi::SQLITE_IOERR;
    file_control as xFileControl(operation: c_int, argument: *mut c_void) -> c_int, else ffi::SQLITE_NOTFOUND;
    sector_size as xSectorSize() -> c_int, else 0;
    device_characteristics as xDeviceCharacteristics() -> c_int, else 0;
    shm_map as xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int, else ffi::SQLITE_IOERR;
    shm_lock as xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int, else ffi::SQLITE_IOERR;
    shm_barrier as xShmBarrier() -> (), else ();
    shm_unmap as xShmUnmap(delete: c_int) -> c_int, else ffi::SQLITE_OK;
}
