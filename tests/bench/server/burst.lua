-- Sends each form of a file once, as a POST. Prints "first", and "last ACCEPTED OTHER" after the answer to the last one.
-- usage: wrk -t 1 -c CONNECTIONS -d SECONDS -s burst.lua URL -- FILE
-- The program that started wrk takes the times of both lines, and ends it by SIGINT.

local forms, next_form, answered, accepted = {}, 0, 0, 0

function init(arguments)
    for form in io.lines(arguments[1]) do
        forms[#forms + 1] = wrk.format("POST", nil, {
            ["Content-Type"] = "application/x-www-form-urlencoded", ["Host"] = wrk.headers["Host"]}, form)
    end
end

function request()
    next_form = next_form + 1
    -- wrk asks for a request before it begins, to see whether it is pipelined, and does not send it.
    if next_form == 1 then
        return forms[1]
    elseif next_form == 2 then
        io.stdout:write("first\n")
        io.stdout:flush()
    end
    -- Nothing to send: the connection stays idle.
    return forms[next_form - 1] or ""
end

function response(status)
    answered = answered + 1
    if status >= 200 and status < 300 then
        accepted = accepted + 1
    end
    if answered == #forms then
        io.stdout:write(string.format("last %d %d\n", accepted, answered - accepted))
        io.stdout:flush()
    end
end
