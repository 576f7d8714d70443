"""Jobs that outlive the process that submitted them.

A job is a row in `jobs/jobs.sqlite` of the user's folder and a worker process in a group of its
own. `supervisor` is the small process that starts workers, one for each device, and sees how they
end; it leaves when there is nothing to do. Page, command line and supervisor all go through
`JobQueue`, so any of them may die: a row says which process does the work, and whether that process
is still alive is asked of the operating system.
"""
